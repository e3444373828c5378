/**
 * When an address that cannot be connected to is tried again: one pace for everybody in this process.
 *
 * Connections for commands, for messages and those made for the topology lead to the same addresses. If each backed off by itself, an
 * outage would see the sum of them.
 *   1. The first attempt after a loss starts at once. Later ones are 100 ms apart at first and 4 s at most, jittered.
 *   2. Every attempt to the same address counts: a retry waits until none was made for as long as its own step.
 *   3. When one attempt succeeds, everybody who waits for that address tries at once; not those whom the server let in and then hung up on, or
 *      who refused it, as a replica: `now` starts those.
 *   4. Addresses are bounded: the one that failed first is forgotten, which costs one early attempt.
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
  /** Tries at once. */
  now(): void;
  cancel(): void;
}

export interface RetryOptions {
  /** Failed attempts of this one so far, without the first one. */
  readonly failures: number;
  /** Whether the success of another attempt starts this one. */
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

  /** Runs `attempt` once: when its turn comes, when another attempt succeeds, or when `now` is called. */
  retry(address: string, options: RetryOptions, attempt: () => void): Retry {
    const beganMs = this.#clock.monotonicMs();
    const outage = this.#outage(address);
    // Steps that double are about as long as the outage has lasted: so everybody has the same, however many attempts he made himself.
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

/** Lets one lost connection be opened again without a wait, every 100 ms at most: a server that serves a little and hangs up is not hurried. */
export class Hurry {
  #lastMs = Number.NEGATIVE_INFINITY;

  take(nowMs: number): boolean {
    const isAllowed = nowMs - this.#lastMs >= HURRIED_APART_MS;
    this.#lastMs = isAllowed ? nowMs : this.#lastMs;
    return isAllowed;
  }
}

export const connectPacer = new ConnectPacer(systemClock);
