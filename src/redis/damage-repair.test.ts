/**
 * Tests which repair each command needs for a damaged value.
 */
import { removeWrongType, repairOf } from './damage-repair.ts';
import { defineScript } from './lua-script.ts';

const keys = ['a', 'b', 'c'];
const command = ['EVALSHA', 'sha', '3', ...keys, 'argument'];

test('checks each key for the type in its script, with the last type for all further keys', () => {
  const script = defineScript('s', 'return 1', 'write', { keyTypes: ['hash', 'string'] });
  expect(repairOf('WRONGTYPE', { command, script })).toEqual({
    script: removeWrongType,
    keys,
    args: ['hash', 'string', 'string'],
  });
});

test('expects hashes if the script declares no types', () => {
  const script = defineScript('s', 'return 1');
  expect(repairOf('WRONGTYPE', { command, script })).toMatchObject({ args: ['hash', 'hash', 'hash'] });
});

test('repairs the key of a bare command only if its sender declares a type', () => {
  const bare = { command: ['HMGET', 'a', 'field'], script: undefined };
  expect(repairOf('WRONGTYPE', { ...bare, keyType: 'hash' })).toMatchObject({ keys: ['a'], args: ['hash'] });
  expect(repairOf('WRONGTYPE', bare)).toBe('impossible');
});

test('repairs no key of a script without key types', () => {
  const script = defineScript('s', 'return 1', 'write', { keyTypes: [] });
  expect(repairOf('WRONGTYPE', { command, script })).toBe('impossible');
});

test('needs no repair for a script that writes, and uses the repair script of one that reads', () => {
  const repair = defineScript('r', 'return 2', 'write_in_place');
  expect(repairOf('DAMAGED', { command, script: defineScript('s', 'return 1') })).toBe('none');
  const script = defineScript('s', 'return 1', 'read', { repair });
  expect(repairOf('DAMAGED', { command, script })).toEqual({ script: repair, keys, args: [] });
});
