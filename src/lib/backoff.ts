/**
 * How long to wait before the next attempt: exponential, capped, with full jitter over its upper half, so that a fleet
 * that lost its Redis in one moment does not come back in one moment.
 */
export interface BackoffOptions {
  /** Wait before the second attempt, ms. */
  firstMs: number;
  /** No wait is longer, ms. */
  maxMs: number;
  /** Uniform in [0, 1); a test hands in its own. */
  random?: () => number;
}

/** The wait before attempt `attempt` (0 = the first repetition), ms: between half of the exponential step and all of it. */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const random = options.random ?? Math.random;
  const stepMs = Math.min(options.firstMs * 2 ** Math.min(attempt, 30), options.maxMs);
  return stepMs / 2 + (random() * stepMs) / 2;
}
