/**
 * Tests that a patch contains only the differences and turns one value into the other.
 */
import fc from 'fast-check';
import { applyJsonPatch } from '../../test/support/kubernetes/json-patch-apply.ts';
import { isSame } from '../lib/json.ts';
import { jsonPatch } from './json-patch.ts';

describe('a patch', () => {
  test('is empty for equal values with keys in another order', () => {
    expect(jsonPatch({ a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 })).toEqual([]);
  });

  test('adds, removes and replaces only the parts that differ', () => {
    const before = { a: { b: 1, gone: true }, same: [1, 2] };
    const after = { a: { b: 2, 'new/~': [] }, same: [1, 2] };
    expect(jsonPatch(before, after)).toEqual([
      { op: 'remove', path: '/a/gone' },
      { op: 'replace', path: '/a/b', value: 2 },
      { op: 'add', path: '/a/new~1~0', value: [] },
    ]);
  });

  test('inserts items into a list without replacing the others', () => {
    const before = [{ name: 'x' }, { name: 'y', env: [] }];
    const after = [{ name: 'first' }, { name: 'x' }, { name: 'y', env: [{ name: 'A' }] }, { name: 'last' }];
    expect(jsonPatch(before, after)).toEqual([
      { op: 'add', path: '/0', value: { name: 'first' } },
      { op: 'add', path: '/2/env/0', value: { name: 'A' } },
      { op: 'add', path: '/3', value: { name: 'last' } },
    ]);
  });

  test('removes list items at the indexes that previous operations have left', () => {
    expect(jsonPatch([1, 2, 3, 4], [2, 4])).toEqual([
      { op: 'remove', path: '/0' },
      { op: 'remove', path: '/1' },
    ]);
  });

  test('distinguishes keys from the properties of every object', () => {
    const after = { constructor: 1, toString: [2], ['__proto__']: { a: 1 } };
    const patch = jsonPatch({}, after);
    expect(patch.map((operation) => operation.op)).toEqual(['add', 'add', 'add']);
    expect(isSame(applyJsonPatch({}, patch), after)).toBe(true);
    expect(applyJsonPatch(after, jsonPatch(after, {}))).toEqual({});
  });

  test('turns any value into any other', () => {
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
