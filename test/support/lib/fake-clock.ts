/**
 * Time that a test moves by hand.
 */
import type { Clock } from '../../../src/lib/clock.ts';

/** A clock that stands still until `advance` moves it. Both times move together. */
export class FakeClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  advance(durationMs: number): void {
    this.#nowMs += durationMs;
    this.#monotonicMs += durationMs;
  }

  /** Moves Unix time alone, as a stepped system clock does; may be negative. */
  skew(durationMs: number): void {
    this.#nowMs += durationMs;
  }
}
