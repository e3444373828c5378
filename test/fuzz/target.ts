/**
 * What is fuzzed: a target makes an input of random numbers, gives it to the code, and throws when a promise is broken.
 *
 * Each execution depends on its random numbers alone, so that seed and index are enough to play it again.
 */
import type { FastRandom } from '../support/http2/random.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Of all executions, how many parts this target gets. */
  readonly share: number;
  /**
   * One execution. Throws when something is wrong at once; what can be judged only after the event loop has turned is returned as a
   * check, to be called then, or as a promise. Random numbers are good until it returns; a promise takes its own with it.
   */
  run(random: FastRandom): (() => void) | Promise<void> | undefined;
}

/** Throws an error that shows what was found and what was wanted. */
export function ensure(isRight: boolean, what: string, found: () => unknown): void {
  if (!isRight) {
    throw new Error(`${what}: ${JSON.stringify(found())?.slice(0, 2_000)}`);
  }
}
