/**
 * When the topology is read next. Holds times only: who reads it, and how, is elsewhere.
 *
 * Invariants:
 *   1. A healthy deployment is read every 30 s, or every 5 s where callers depend on its changes.
 *   2. From the moment that something is missing it is read after 100 ms at first and at least every 250 ms for 5 s, then ever less often, at
 *      most every 4 s. Something else that goes missing restarts the fast pace.
 *   3. Requests for a refresh share one for 250 ms. After 5 s of trouble they no longer bring a refresh forward, because every call may
 *      request one, unless something that was missing has come back.
 *   4. All intervals are jittered.
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
  /** Whether something has come back since the last refresh. */
  #isRecovering = false;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** What is missing now: names of masters that are not connected, or words for what no server serves. */
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

  /** How long after a refresh it is checked whether the next one is due. */
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

  /** Whether a refresh is due without a request. */
  isDue(sinceLastMs: number, isWatching: boolean): boolean {
    return this.#missing.size > 0 || isWatching || sinceLastMs >= this.#jittered(IDLE_MS);
  }

  /** How long a requested refresh waits; undefined if it must wait for the one that is due anyway. */
  requestedMs(nowMs: number, lastStartMs: number): number | undefined {
    const mustWait = this.isLongTrouble(nowMs) && !this.#isRecovering;
    return mustWait ? undefined : Math.max(0, lastStartMs + SHARED_MS - nowMs);
  }

  #jittered(durationMs: number): number {
    return durationMs * (0.75 + this.#random() / 4);
  }
}
