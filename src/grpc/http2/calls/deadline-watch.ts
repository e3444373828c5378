/**
 * One timer for all deadlines: it is set to the nearest one, and looks at all calls when it fires.
 *
 * Promise: `expire` runs at most `STEP_MS` after a deadline that was watched (and the loop's lag), and not more often than
 * every STEP_MS. A call that is answered in time costs a comparison.
 */
import type { Clock } from '../../../lib/clock.ts';
import { MAX_TIMER_MS } from '../../deadline.ts';

const STEP_MS = 5;

export class DeadlineWatch {
  readonly #clock: Clock;
  /** Ends what is over and returns the next deadline, Infinity where there is none. */
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
