/**
 * Compares the exact division with BigInt arithmetic, for operands at and below their bounds.
 */
import fc from 'fast-check';
import { multiplyDivide, multiplyDivideUp } from './exact.ts';

const MAX_UNITS = 2 ** 36;
const MAX_WINDOW_MS = 34_560_000_000;

/** Generates arbitrary integers, integers at the upper bound, and powers of two, each kind equally often. */
function integer(max: number): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: 1, max }),
    fc.integer({ min: Math.max(1, max - 3), max }),
    fc.integer({ min: 0, max: Math.floor(Math.log2(max)) }).map((power) => 2 ** power),
  );
}

test('equals BigInt division wherever the quotient is exact', () => {
  fc.assert(
    fc.property(integer(2 ** 48 - 1), integer(MAX_UNITS), integer(MAX_UNITS), (a, b, c) => {
      const product = BigInt(a) * BigInt(b);
      fc.pre(product / BigInt(c) <= BigInt(Number.MAX_SAFE_INTEGER));
      const { quotient, remainder } = multiplyDivide(a, b, c);
      expect([BigInt(quotient), BigInt(remainder)]).toEqual([product / BigInt(c), product % BigInt(c)]);
      const up = product / BigInt(c) + (product % BigInt(c) > 0n ? 1n : 0n);
      expect(BigInt(multiplyDivideUp(a, b, c))).toBe(up);
    }),
    { numRuns: 5_000 },
  );
});

test.each([
  [MAX_UNITS, MAX_WINDOW_MS, MAX_WINDOW_MS],
  [MAX_UNITS, MAX_WINDOW_MS, MAX_UNITS],
  [MAX_UNITS - 1, MAX_WINDOW_MS - 1, MAX_WINDOW_MS],
  [2 ** 48 - 1, MAX_UNITS, MAX_UNITS],
  [2 ** 42, MAX_UNITS, MAX_WINDOW_MS],
  [0, MAX_UNITS, 1],
])('%d * %d / %d', (a, b, c) => {
  const product = BigInt(a) * BigInt(b);
  const { quotient, remainder } = multiplyDivide(a, b, c);
  expect([BigInt(quotient), BigInt(remainder)]).toEqual([product / BigInt(c), product % BigInt(c)]);
});
