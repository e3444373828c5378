/**
 * Calculates when the topology is read next. This module starts no timers.
 *
 * Invariants:
 *   1. The topology of a healthy deployment is read every 30 s, or every 5 s if changes must be detected soon.
 *   2. Short intervals start once an item is missing: a connection to a master, a slot, or the answers of servers. The
 *      topology is read after 100 ms at first, and at least every 250 ms for 5 s. Then the intervals grow, and the
 *      longest is 4 s. If another item goes missing later, the short intervals start again.
 *   3. All requests within 250 ms cause only one refresh. After an item has been missing for 5 s, a request no longer
 *      causes an early refresh, because every call may request one. After a missing item has returned, requests cause
 *      early refreshes again.
 *   4. All intervals have jitter.
 */
import { backoffMs } from '../lib/backoff.ts';

const IDLE_MS = 30_000;
const WATCHING_MS = 5_000;
const SHARED_MS = 250;
const EARLY = { firstMs: 100, maxMs: 250 };
const EARLY_TROUBLE_MS = 5_000;
const LATE = { firstMs: 500, maxMs: 4_000 };

export class RefreshPace {
  readonly #random: () => number;
  #missing: ReadonlySet<string> = new Set();
  #sinceMs = 0;
  #earlyAttempts = 0;
  #lateAttempts = 0;
  /** Whether a missing item has returned since the last refresh. */
  #isRecovering = false;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /**
   * Records which items are missing now. An item is either the name of a master without a connection, or a fixed word
   * that means that slots or answers are missing.
   */
  note(missing: ReadonlySet<string>, nowMs: number): void {
    if ([...missing].some((name) => !this.#missing.has(name))) {
      this.#sinceMs = nowMs;
      this.#earlyAttempts = 0;
      this.#lateAttempts = 0;
    }
    this.#isRecovering ||= [...this.#missing].some((name) => !missing.has(name));
    this.#missing = missing;
  }

  isLongTrouble(nowMs: number): boolean {
    return this.#missing.size > 0 && nowMs - this.#sinceMs >= EARLY_TROUBLE_MS;
  }

  /** Returns the time from a refresh until `isDue` is called again. */
  nextMs(nowMs: number): number {
    this.#isRecovering = false;
    if (this.#missing.size === 0) {
      return this.#jittered(WATCHING_MS);
    }
    if (this.isLongTrouble(nowMs)) {
      this.#lateAttempts += 1;
      return backoffMs(this.#lateAttempts - 1, { ...LATE, random: this.#random });
    }
    this.#earlyAttempts += 1;
    return backoffMs(this.#earlyAttempts - 1, { ...EARLY, random: this.#random });
  }

  /** Returns whether a refresh is due without a request. */
  isDue(sinceLastMs: number, isWatching: boolean): boolean {
    return this.#missing.size > 0 || isWatching || sinceLastMs >= this.#jittered(IDLE_MS);
  }

  /** Returns the delay of a requested refresh; undefined if the request must wait for the next regular refresh. */
  requestedMs(nowMs: number, lastStartMs: number): number | undefined {
    const mustWait = this.isLongTrouble(nowMs) && !this.#isRecovering;
    return mustWait ? undefined : Math.max(0, lastStartMs + SHARED_MS - nowMs);
  }

  #jittered(durationMs: number): number {
    return durationMs * (0.75 + this.#random() / 4);
  }
}
