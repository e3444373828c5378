/**
 * Interface of a fuzz target, which creates a random input, passes it to the code under test, and throws if an
 * invariant is violated.
 *
 * An execution depends only on its random numbers, so seed and index are enough to reproduce it.
 */
import type { FastRandom } from '../support/http2/random.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Weight of this target among all executions. */
  readonly share: number;
  /**
   * Runs one execution and throws if an invariant is violated. A check that must wait for event loop turns is returned
   * as a function or a promise. `random` is valid only until this returns, so a promise must create its own.
   */
  run(random: FastRandom): (() => void) | Promise<void> | undefined;
}

/** Throws an error with a description and the values found, unless the condition holds. */
export function ensure(holds: boolean, what: string, found: () => unknown): void {
  if (!holds) {
    throw new Error(`${what}: ${JSON.stringify(found())?.slice(0, 2_000)}`);
  }
}
