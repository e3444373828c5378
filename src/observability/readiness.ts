/**
 * Decides whether the sidecar is ready.
 *
 * Invariants:
 *   1. The sidecar becomes ready once the policy file is read, the API listens, and Redis has replied. After 5 s, the
 *      sidecar no longer waits for Redis, because a pod that applies its failure modes is better than an unready pod.
 *   2. A ready sidecar stays ready until it drains, even if Redis fails. An outage of Redis must never remove a pod
 *      from its Service.
 *   3. The sidecar does not become ready while the stored data has a format that this release cannot read. This stops
 *      the rollout of a release that skipped a version.
 *   4. Errors in the policy file do not affect readiness: /readyz names them, and only the calls that need a part with
 *      an error fail. An error in one policy must not stop the pods of an application.
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

  /**
   * `hasAnswered`: whether the store has replied. `isRefused`: whether this release cannot read the format of the
   * stored data.
   */
  constructor(options: { clock: Clock; hasAnswered: () => boolean; isRefused: () => boolean }) {
    this.#clock = options.clock;
    this.#hasAnswered = options.hasAnswered;
    this.#isRefused = options.isRefused;
    this.#startedAtMs = options.clock.monotonicMs();
  }

  /** Records that the policy file is read and the API listens. */
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
