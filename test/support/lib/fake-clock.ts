/**
 * A clock for tests, whose time only changes when the test changes it.
 */
import type { Clock } from '../../../src/lib/clock.ts';

/** Clock that only moves with `advance` and `skew`. `advance` moves the Unix time and the monotonic time together. */
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

  /** Moves only the Unix time, like a system clock that is stepped. `durationMs` may be negative. */
  skew(durationMs: number): void {
    this.#nowMs += durationMs;
  }
}
