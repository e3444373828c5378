/**
 * When the sidecar is ready: pure, and asked with the time.
 *
 * Ready = policies are loaded and Redis has answered, or 5 s have passed without it (then calls are answered by the failure modes, which
 * is better than no pod at all). Once ready it stays ready whatever becomes of Redis, until it drains: an absent Redis must never
 * take a pod out of its Service.
 * While the stored data has a format that this release must not touch, a sidecar that has not been ready yet does not become ready: the
 * rollout of a release that was skipped to stops there.
 */
import type { Clock } from '../lib/clock.ts';

const WAIT_FOR_STORE_MS = 5_000;

export class Readiness {
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #hasAnswered: () => boolean;
  readonly #isRefused: () => boolean;
  #isReady = false;
  #isServing = false;
  #isDraining = false;

  /** `hasAnswered`: whether the store has answered; always true of memory. `isRefused`: whether the format of its data is refused. */
  constructor(options: { clock: Clock; hasAnswered: () => boolean; isRefused: () => boolean }) {
    this.#clock = options.clock;
    this.#hasAnswered = options.hasAnswered;
    this.#isRefused = options.isRefused;
    this.#startedAtMs = options.clock.monotonicMs();
  }

  /** Policies are loaded and the API listens. */
  serving(): void {
    this.#isServing = true;
  }

  draining(): void {
    this.#isDraining = true;
  }

  isReady(): boolean {
    if (this.#isDraining || !this.#isServing) {
      return false;
    }
    const waitedMs = this.#clock.monotonicMs() - this.#startedAtMs;
    this.#isReady ||= (this.#hasAnswered() || waitedMs >= WAIT_FOR_STORE_MS) && !this.#isRefused();
    return this.#isReady;
  }
}
