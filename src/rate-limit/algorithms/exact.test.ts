/**
 * The exact division against BigInt, at and below its bounds.
 */
import fc from 'fast-check';
import { multiplyDivide, multiplyDivideUp } from './exact.ts';

const UNITS_MAX = 2 ** 36;
const WINDOW_MS_MAX = 34_560_000_000;

/** Integers that lie at the bounds as often as anywhere else. */
function integer(max: number): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: 1, max }),
    fc.integer({ min: Math.max(1, max - 3), max }),
    fc.integer({ min: 0, max: Math.floor(Math.log2(max)) }).map((power) => 2 ** power),
  );
}

test('is what BigInt says wherever the quotient is exact', () => {
  fc.assert(
    fc.property(integer(2 ** 48 - 1), integer(UNITS_MAX), integer(UNITS_MAX), (a, b, c) => {
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
  [UNITS_MAX, WINDOW_MS_MAX, WINDOW_MS_MAX],
  [UNITS_MAX, WINDOW_MS_MAX, UNITS_MAX],
  [UNITS_MAX - 1, WINDOW_MS_MAX - 1, WINDOW_MS_MAX],
  [2 ** 48 - 1, UNITS_MAX, UNITS_MAX],
  [2 ** 42, UNITS_MAX, WINDOW_MS_MAX],
  [0, UNITS_MAX, 1],
])('%d * %d / %d', (a, b, c) => {
  const product = BigInt(a) * BigInt(b);
  const { quotient, remainder } = multiplyDivide(a, b, c);
  expect([BigInt(quotient), BigInt(remainder)]).toEqual([product / BigInt(c), product % BigInt(c)]);
});
