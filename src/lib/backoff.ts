/**
 * Exponential backoff with a maximum, and with jitter over the upper half of each step. The jitter keeps a fleet that lost its Redis at the
 * same moment from reconnecting at the same moment.
 */
export interface BackoffOptions {
  /** First step in ms, before the second attempt. */
  firstMs: number;
  /** Maximum wait in ms. */
  maxMs: number;
  /** Random number in [0, 1); tests replace it. */
  random?: () => number;
}

/** Returns the wait in ms before retry number `attempt` (0 is the first retry): between half of the exponential step and all of it. */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const random = options.random ?? Math.random;
  const stepMs = Math.min(options.firstMs * 2 ** Math.min(attempt, 30), options.maxMs);
  return stepMs / 2 + (random() * stepMs) / 2;
}
