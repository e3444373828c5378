/**
 * Computes the level of a bucket in exact arithmetic, for the token bucket and the leaky bucket.
 *
 * The level is `used + fraction / windowMs` units, where both numbers are integers and 0 <= fraction < windowMs. The
 * bucket drains by `limit` units per window. The amount drained in dt milliseconds, dt * limit / windowMs, has the same
 * denominator, so no call ever rounds the level. The files bucket.lua and scripts/lean/bucket.lua implement the same
 * arithmetic.
 */
import { multiplyDivide } from './exact.ts';
import type { StepLimit } from './step.ts';

export interface BucketState {
  /** Time at which the bucket had this level, in ms. */
  readonly atMs: number;
  readonly used: number;
  readonly fraction: number;
}

export interface BucketLevel extends BucketState {
  readonly repaired: boolean;
}

/**
 * Returns the level at `nowMs`. If the time of the state is later than `nowMs` by at most one window, returns the level
 * at the time of the state (step.ts, rules 3 and 4).
 */
export function drain(state: BucketState | undefined, limit: StepLimit, nowMs: number): BucketLevel {
  if (state === undefined) {
    return { atMs: nowMs, used: 0, fraction: 0, repaired: false };
  }
  // If an operator reduces the burst, the level may exceed the new burst. The function treats such a bucket as exactly
  // full, so that waiting times stay bounded.
  const overflows = state.used >= limit.burst;
  const used = overflows ? limit.burst : state.used;
  const fraction = overflows ? 0 : state.fraction;
  const passedMs = nowMs - state.atMs;
  if (passedMs <= 0) {
    const repaired = -passedMs > limit.windowMs;
    return { atMs: repaired ? nowMs : state.atMs, used, fraction, repaired };
  }
  // This estimate of the drained units is accurate to 2^-14 units. The condition detects buckets that have been empty
  // for a long time, so that the operands of the exact division below stay in range.
  if ((passedMs / limit.windowMs) * limit.limit >= used + 2) {
    return { atMs: nowMs, used: 0, fraction: 0, repaired: false };
  }
  const drained = multiplyDivide(passedMs, limit.limit, limit.windowMs);
  let restUnits = used - drained.quotient;
  let restFraction = fraction - drained.remainder;
  if (restFraction < 0) {
    restUnits -= 1;
    restFraction += limit.windowMs;
  }
  if (restUnits < 0) {
    return { atMs: nowMs, used: 0, fraction: 0, repaired: false };
  }
  return { atMs: nowMs, used: restUnits, fraction: restFraction, repaired: false };
}

/** Returns the level of the bucket after `units` were returned to it. The level never drops below zero. */
export function giveBack(level: BucketLevel, units: number): BucketLevel {
  const used = level.used - units;
  return used < 0 ? { ...level, used: 0, fraction: 0 } : { ...level, used };
}

/** Returns the units that are not available to a new call: the level, rounded up. */
export function takenUnits(level: BucketState): number {
  return level.fraction > 0 ? level.used + 1 : level.used;
}

/** Returns the time in which `units + fraction / windowMs` units drain, rounded up to milliseconds. */
export function drainTimeMs(units: number, fraction: number, limit: StepLimit): number {
  const { quotient, remainder } = multiplyDivide(units, limit.windowMs, limit.limit);
  return quotient + Math.ceil((remainder + fraction) / limit.limit);
}

/** Returns the time from `nowMs` until the bucket is empty; 0 if it is empty. */
export function emptyAfterMs(level: BucketState, limit: StepLimit, nowMs: number): number {
  if (level.used === 0 && level.fraction === 0) {
    return 0;
  }
  return level.atMs - nowMs + drainTimeMs(level.used, level.fraction, limit);
}

/**
 * Returns the time from `nowMs` until `cost` units fit into the bucket. Callers ensure that the cost does not fit yet.
 */
export function fitsAfterMs(level: BucketState, limit: StepLimit, nowMs: number, cost: number): number {
  return level.atMs - nowMs + drainTimeMs(level.used + cost - limit.burst, level.fraction, limit);
}
