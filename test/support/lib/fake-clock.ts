/**
 * A clock that a test controls.
 */
import type { Clock } from '../../../src/lib/clock.ts';

/**
 * Clock that changes only when a test calls `advance` or `skew`. `advance` moves Unix time and monotonic time together.
 */
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

  /** Moves only Unix time, as a step of the system clock does. The duration may be negative. */
  skew(durationMs: number): void {
    this.#nowMs += durationMs;
  }
}
