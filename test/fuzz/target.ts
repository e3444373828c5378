/**
 * Defines the interface of a fuzz target. A target creates a random input, passes it to the code under test, and throws
 * if an invariant is violated.
 *
 * An execution depends only on its random numbers, so the seed and the index of the execution are enough to reproduce
 * it.
 */
import type { FastRandom } from '../support/http2/random.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Number of executions of this target in relation to the other targets. */
  readonly share: number;
  /**
   * Runs one execution and throws if an invariant is violated. If a check must wait for turns of the event loop, the
   * method returns the check as a function or a promise. `random` is valid only until the method returns, so a check
   * that runs later must create its own random numbers.
   */
  run(random: FastRandom): (() => void) | Promise<void> | undefined;
}

/** Throws an error with a description and the values found, unless `holds` is true. */
export function ensure(holds: boolean, what: string, found: () => unknown): void {
  if (!holds) {
    throw new Error(`${what}: ${JSON.stringify(found())?.slice(0, 2_000)}`);
  }
}
