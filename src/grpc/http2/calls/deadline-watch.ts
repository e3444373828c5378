/**
 * Runs one timer for the deadlines of all calls. The timer is set to the nearest deadline. When the timer fires, it
 * checks the deadlines of all connections.
 *
 * Invariants:
 *   1. After each watched deadline, the timer calls `expire` within `STEP_MS` plus the lag of the event loop. The timer
 *      calls `expire` at most once every `STEP_MS`.
 *   2. Watching a call whose deadline is not the nearest costs one comparison.
 */
import type { Clock } from '../../../lib/clock.ts';
import { MAX_TIMER_MS } from '../../deadline.ts';

const STEP_MS = 5;

export class DeadlineWatch {
  readonly #clock: Clock;
  /** Ends the calls whose deadlines have passed, and returns the next deadline, or Infinity if there is none. */
  readonly #expire: (nowMs: number) => number;
  #timer: NodeJS.Timeout | undefined;
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(options: { clock: Clock; expire: (nowMs: number) => number }) {
    this.#clock = options.clock;
    this.#expire = options.expire;
  }

  watch(deadlineAtMs: number): void {
    if (deadlineAtMs >= this.#nextMs) {
      return;
    }
    clearTimeout(this.#timer);
    this.#nextMs = deadlineAtMs;
    const waitMs = Math.max(STEP_MS, Math.ceil(deadlineAtMs - this.#clock.monotonicMs()));
    this.#timer = setTimeout(() => this.#fire(), Math.min(waitMs, MAX_TIMER_MS)).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#nextMs = Number.NEGATIVE_INFINITY;
  }

  #fire(): void {
    const nextMs = this.#expire(this.#clock.monotonicMs());
    this.#nextMs = Number.POSITIVE_INFINITY;
    this.watch(nextMs);
  }
}
