/**
 * A patch says what changed and no more, and makes the one value of the other.
 */
import fc from 'fast-check';
import { applyJsonPatch } from '../../test/support/kubernetes/json-patch-apply.ts';
import { isSame } from '../lib/json.ts';
import { jsonPatch } from './json-patch.ts';

describe('a patch', () => {
  test('is empty where nothing changed, whatever the order of the keys', () => {
    expect(jsonPatch({ a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 })).toEqual([]);
  });

  test('adds, removes and replaces only what differs', () => {
    const before = { a: { b: 1, gone: true }, same: [1, 2] };
    const after = { a: { b: 2, 'new/~': [] }, same: [1, 2] };
    expect(jsonPatch(before, after)).toEqual([
      { op: 'remove', path: '/a/gone' },
      { op: 'replace', path: '/a/b', value: 2 },
      { op: 'add', path: '/a/new~1~0', value: [] },
    ]);
  });

  test('puts one item into a list without touching the others', () => {
    const before = [{ name: 'x' }, { name: 'y', env: [] }];
    const after = [{ name: 'first' }, { name: 'x' }, { name: 'y', env: [{ name: 'A' }] }, { name: 'last' }];
    expect(jsonPatch(before, after)).toEqual([
      { op: 'add', path: '/0', value: { name: 'first' } },
      { op: 'add', path: '/2/env/0', value: { name: 'A' } },
      { op: 'add', path: '/3', value: { name: 'last' } },
    ]);
  });

  test('takes items out of a list at the index that they have by then', () => {
    expect(jsonPatch([1, 2, 3, 4], [2, 4])).toEqual([
      { op: 'remove', path: '/0' },
      { op: 'remove', path: '/1' },
    ]);
  });

  test('tells keys from what every object has', () => {
    const after = { constructor: 1, toString: [2], ['__proto__']: { a: 1 } };
    const patch = jsonPatch({}, after);
    expect(patch.map((operation) => operation.op)).toEqual(['add', 'add', 'add']);
    expect(isSame(applyJsonPatch({}, patch), after)).toBe(true);
    expect(applyJsonPatch(after, jsonPatch(after, {}))).toEqual({});
  });

  test('applied to the value before gives the value after, for any two values', () => {
    const item = fc.oneof(
      fc.record({ name: fc.constantFrom('a', 'b', 'c'), value: fc.integer({ max: 2, min: 0 }) }),
      fc.integer({ max: 3, min: 0 }),
    );
    const value = fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.array(item), fc.record({ x: fc.array(item) }));
    fc.assert(
      fc.property(value, value, (before, after) => {
        const result = applyJsonPatch(before, jsonPatch(before, after));
        expect(isSame(result, after)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
