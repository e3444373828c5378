/**
 * Exact arithmetic on doubles: the product of two integers divided by a third, without ever leaving the exact range.
 *
 * A double holds every integer up to 2^53, but units (2^36) times milliseconds (400 days, 2^35.01) is 2^71. So the product
 * is never formed: `a` is fed in as 12-bit digits, as long division does it. exact.lua takes the same steps.
 *
 * Bounds that callers keep (all of them checked against BigInt in exact.test.ts):
 *   0 <= a < 2^48,  0 <= b <= 2^36,  1 <= c <= 2^36,  and a * b / c < 2^53.
 * Then, with r < c before each digit: r * 4096 + digit * b < 2^48 + 2^48 = 2^49, and q never exceeds the final quotient.
 * floor(x / c) of integers below 2^53 is exact: x / c lies at least 1 / c below the next integer k, and the doubles
 * there are at most k * 2^-53 apart, which is less since k * c < 2^53.
 */
const DIGIT = 4096;
const DIGIT_2 = DIGIT * DIGIT;
const DIGIT_3 = DIGIT_2 * DIGIT;

/** a * b = quotient * c + remainder, 0 <= remainder < c. */
export interface Division {
  readonly quotient: number;
  readonly remainder: number;
}

export function multiplyDivide(a: number, b: number, c: number): Division {
  if (a < DIGIT_3 && a * b < Number.MAX_SAFE_INTEGER) {
    const product = a * b;
    const quotient = Math.floor(product / c);
    return { quotient, remainder: product - quotient * c };
  }
  let quotient = 0;
  let remainder = 0;
  let rest = a;
  for (let weight = DIGIT_3; weight >= 1; weight /= DIGIT) {
    const digit = Math.floor(rest / weight);
    rest -= digit * weight;
    remainder = remainder * DIGIT + digit * b;
    const carry = Math.floor(remainder / c);
    remainder -= carry * c;
    quotient = quotient * DIGIT + carry;
  }
  return { quotient, remainder };
}

/** The least integer that is not less than a * b / c. */
export function multiplyDivideUp(a: number, b: number, c: number): number {
  const { quotient, remainder } = multiplyDivide(a, b, c);
  return remainder > 0 ? quotient + 1 : quotient;
}
