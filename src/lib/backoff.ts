/**
 * Implements exponential backoff with a maximum, and with jitter over the upper half of each step. The jitter prevents
 * sidecars that lost Redis at the same time from reconnecting at the same time.
 */
export interface BackoffOptions {
  /** First step in ms, before the first retry. */
  firstMs: number;
  /** Maximum wait in ms. */
  maxMs: number;
  /** Returns a random number in [0, 1). Tests replace this function. */
  random?: () => number;
}

/**
 * Returns the wait in ms before retry number `attempt` (0 is the first retry). The wait is between half of the
 * exponential step and the whole step.
 */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const random = options.random ?? Math.random;
  const stepMs = Math.min(options.firstMs * 2 ** Math.min(attempt, 30), options.maxMs);
  return stepMs / 2 + (random() * stepMs) / 2;
}
