/**
 * Decides when to retry a connection to an address at which an attempt has failed. The delays apply to all connections
 * of this process.
 *
 * Command connections, subscriber connections and topology queries use the same addresses. With a separate backoff for
 * each of them, a server in an outage would receive many more attempts.
 *
 *   1. The first attempt after a loss starts at once. The delay before later attempts grows from 100 ms to at most 4 s,
 *      with jitter.
 *   2. All connections to an address share the delays. If another connection attempts to reach the address during the
 *      delay of a retry, the retry is postponed.
 *   3. A successful attempt starts all waiting retries of that address. This rule has two exceptions: a connection that
 *      the server accepted and then closed, and a connection that the sidecar closed because it refuses the server
 *      (such as a replica). The owner of such a connection calls `now` instead.
 *   4. The number of addresses is bounded. When the bound is reached, the pacer forgets the address with the oldest
 *      outage. As a result, one attempt to connect to that address may start too early.
 */
import { backoffMs } from '../lib/backoff.ts';
import { type Clock, systemClock } from '../lib/clock.ts';

const BACKOFF = { firstMs: 100, maxMs: 4_000 };
const MAX_ADDRESSES = 1_000;
const HURRIED_APART_MS = 100;

interface Outage {
  readonly beganMs: number;
  lastAttemptMs: number;
  readonly waiting: Set<() => void>;
}

export interface Retry {
  /** Starts the attempt at once. */
  now(): void;
  cancel(): void;
}

export interface RetryOptions {
  /** Number of failed attempts of this connection, not counting the first failed attempt. */
  readonly failures: number;
  /** Whether the retry starts when another attempt to connect to the address succeeds. */
  readonly isWokenBySuccess: boolean;
}

export class ConnectPacer {
  readonly #clock: Clock;
  readonly #outages = new Map<string, Outage>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  began(address: string): void {
    const outage = this.#outages.get(address);
    if (outage !== undefined) {
      outage.lastAttemptMs = this.#clock.monotonicMs();
    }
  }

  failed(address: string): void {
    this.#outage(address);
  }

  succeeded(address: string): void {
    const outage = this.#outages.get(address);
    this.#outages.delete(address);
    for (const wake of outage?.waiting ?? []) {
      wake();
    }
  }

  /** Runs `attempt` once: when the delay has passed, when another attempt succeeds, or when `now` is called. */
  retry(address: string, options: RetryOptions, attempt: () => void): Retry {
    const beganMs = this.#clock.monotonicMs();
    const outage = this.#outage(address);
    // With a doubling backoff, each delay is about as long as the outage so far. A delay that equals this duration is
    // the same for all connections, however many attempts each of them has made.
    const stepMs = (): number => {
      const ownMs = BACKOFF.firstMs * 2 ** Math.min(options.failures, 30);
      return Math.min(Math.max(ownMs, this.#clock.monotonicMs() - outage.beganMs), BACKOFF.maxMs);
    };
    let timer: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      clearTimeout(timer);
      outage.waiting.delete(now);
    };
    const now = (): void => {
      cancel();
      attempt();
    };
    const wait = (delayMs: number): void => {
      timer = setTimeout(() => {
        const leftMs = outage.lastAttemptMs + stepMs() - this.#clock.monotonicMs();
        if (outage.lastAttemptMs > beganMs && leftMs > 1) {
          wait(leftMs);
        } else {
          now();
        }
      }, delayMs);
      timer.unref();
    };
    if (options.isWokenBySuccess) {
      outage.waiting.add(now);
    }
    wait(backoffMs(0, { firstMs: stepMs(), maxMs: BACKOFF.maxMs }));
    return { now, cancel };
  }

  #outage(address: string): Outage {
    let outage = this.#outages.get(address);
    if (outage === undefined) {
      const [oldest] = this.#outages.keys();
      if (oldest !== undefined && this.#outages.size >= MAX_ADDRESSES) {
        this.#outages.delete(oldest);
      }
      const nowMs = this.#clock.monotonicMs();
      outage = { beganMs: nowMs, lastAttemptMs: nowMs, waiting: new Set() };
      this.#outages.set(address, outage);
    }
    return outage;
  }
}

/**
 * Allows an immediate reconnect at most once every 100 ms, so that the sidecar does not flood a server that closes
 * every connection.
 */
export class Hurry {
  #lastMs = Number.NEGATIVE_INFINITY;

  take(nowMs: number): boolean {
    const isAllowed = nowMs - this.#lastMs >= HURRIED_APART_MS;
    this.#lastMs = isAllowed ? nowMs : this.#lastMs;
    return isAllowed;
  }
}

export const connectPacer = new ConnectPacer(systemClock);
