/**
 * Which repair a damaged value needs, by the command that met it.
 */
import { removeWrongType, repairOf } from './damage-repair.ts';
import { defineScript } from './lua-script.ts';

const keys = ['a', 'b', 'c'];
const command = ['EVALSHA', 'sha', '3', ...keys, 'argument'];

test('a wrong type: each key is held against the type that its script gives it, the last one for all that follow', () => {
  const script = defineScript('s', 'return 1', 'write', { keyTypes: ['hash', 'string'] });
  expect(repairOf('WRONGTYPE', { command, script })).toEqual({
    script: removeWrongType,
    keys,
    args: ['hash', 'string', 'string'],
  });
});

test('keys of a script are hashes if it says nothing else', () => {
  const script = defineScript('s', 'return 1');
  expect(repairOf('WRONGTYPE', { command, script })).toMatchObject({ args: ['hash', 'hash', 'hash'] });
});

test('a bare command: its key, if its sender says what it should hold', () => {
  const bare = { command: ['HMGET', 'a', 'field'], script: undefined };
  expect(repairOf('WRONGTYPE', { ...bare, keyType: 'hash' })).toMatchObject({ keys: ['a'], args: ['hash'] });
  expect(repairOf('WRONGTYPE', bare)).toBe('impossible');
});

test('a script without types of keys is left alone', () => {
  const script = defineScript('s', 'return 1', 'write', { keyTypes: [] });
  expect(repairOf('WRONGTYPE', { command, script })).toBe('impossible');
});

test('a script that writes has removed the damaged value by itself; one that reads names its repair', () => {
  const repair = defineScript('r', 'return 2', 'write_in_place');
  expect(repairOf('DAMAGED', { command, script: defineScript('s', 'return 1') })).toBe('none');
  const script = defineScript('s', 'return 1', 'read', { repair });
  expect(repairOf('DAMAGED', { command, script })).toEqual({ script: repair, keys, args: [] });
});
