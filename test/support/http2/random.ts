/**
 * Generates seeded random numbers, fast enough for millions of fuzzing runs (sfc32, 128 bits of state).
 */

export class FastRandom {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  constructor(seed: number, index = 0) {
    this.reseed(seed, index);
  }

  /** Resets the state. The same seed and index produce the same sequence. */
  reseed(seed: number, index = 0): void {
    this.#a = seed | 0;
    this.#b = index | 0;
    this.#c = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ index;
    this.#counter = 1;
    for (let round = 0; round < 12; round += 1) {
      this.next();
    }
  }

  /** Returns an integer from 0 to 2^32 - 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** Returns an integer from 0 to bound - 1. */
  below(bound: number): number {
    return this.next() % bound;
  }

  /** Returns true with a probability of 1 in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<Value>(values: ArrayLike<Value>): Value {
    return values[this.below(values.length)] as Value;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += 1) {
      bytes[at] = this.next() >>> 24;
    }
    return bytes;
  }
}
