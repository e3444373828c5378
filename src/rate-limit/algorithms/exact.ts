/**
 * Divides the product of two integers by a third integer without rounding errors. All intermediate values stay within
 * the range in which doubles represent integers exactly.
 *
 * A double represents every integer up to 2^53. However, the product of the maximum units (2^36) and the maximum window
 * (400 days, 2^35.01 ms) is about 2^71. Therefore the code never computes the product. As in long division, it
 * processes `a` in digits of 12 bits. The file exact.lua implements the same arithmetic.
 *
 * Invariants, which exact.test.ts checks against BigInt:
 *   1. Callers ensure 0 <= a < 2^48, 0 <= b <= 2^36, 1 <= c <= 2^36, and a * b / c < 2^53.
 *   2. Every intermediate value is exact. The remainder is below c before each digit, so remainder * 4096 + digit * b <
 *      2^48 + 2^48 = 2^49. The partial quotient never exceeds the final quotient.
 *   3. floor(x / c) is exact for integers x below 2^53. If k is the next integer above x / c, the distance between x /
 *      c and k is at least 1 / c. Adjacent doubles in this range are at most k * 2^-53 apart. This spacing is less than
 *      1 / c, because k * c < 2^53.
 */
const DIGIT = 4096;
const DIGIT_2 = DIGIT * DIGIT;
const DIGIT_3 = DIGIT_2 * DIGIT;

/** Result of a division: a * b = quotient * c + remainder, with 0 <= remainder < c. */
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

/** Returns a * b / c, rounded up to an integer. */
export function multiplyDivideUp(a: number, b: number, c: number): number {
  const { quotient, remainder } = multiplyDivide(a, b, c);
  return remainder > 0 ? quotient + 1 : quotient;
}
