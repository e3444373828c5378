/**
 * The level of a bucket, exactly: what token and leaky buckets share.
 *
 * The level is `used + fraction / windowMs` units, all integers, 0 <= fraction < windowMs. It drains by `limit` units per
 * window. Since dt * limit / windowMs has that same denominator nothing is ever rounded, however often the bucket is asked.
 * bucket.lua takes the same steps, and so does scripts/lean/bucket.lua.
 */
import { multiplyDivide } from './exact.ts';
import type { StepLimit } from './step.ts';

export interface BucketState {
  /** When the level was what follows. */
  readonly atMs: number;
  readonly used: number;
  readonly fraction: number;
}

export interface BucketLevel extends BucketState {
  readonly repaired: boolean;
}

/** The level at `nowMs` (or at the state's own time where that is ahead, see step.ts). */
export function drain(state: BucketState | undefined, limit: StepLimit, nowMs: number): BucketLevel {
  if (state === undefined) {
    return { atMs: nowMs, used: 0, fraction: 0, repaired: false };
  }
  // A bucket that was made smaller is full at most: what no longer fits is forgiven, so that waits stay bounded.
  const overflows = state.used >= limit.burst;
  const used = overflows ? limit.burst : state.used;
  const fraction = overflows ? 0 : state.fraction;
  const passedMs = nowMs - state.atMs;
  if (passedMs <= 0) {
    const repaired = -passedMs > limit.windowMs;
    return { atMs: repaired ? nowMs : state.atMs, used, fraction, repaired };
  }
  // Far past empty by an estimate that is right to 2^-14 units; it keeps the exact division within its bounds.
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

/** The level after `units` were returned, empty at least. */
export function giveBack(level: BucketLevel, units: number): BucketLevel {
  const used = level.used - units;
  return used < 0 ? { ...level, used: 0, fraction: 0 } : { ...level, used };
}

/** Units that a new call finds taken: the level, rounded up. */
export function takenUnits(level: BucketState): number {
  return level.fraction > 0 ? level.used + 1 : level.used;
}

/** How long `units + fraction / windowMs` takes to drain, rounded up to whole milliseconds. */
export function drainTimeMs(units: number, fraction: number, limit: StepLimit): number {
  const { quotient, remainder } = multiplyDivide(units, limit.windowMs, limit.limit);
  return quotient + Math.ceil((remainder + fraction) / limit.limit);
}

/** When the bucket is empty, counted from `nowMs`; 0 when it is. */
export function emptyAfterMs(level: BucketState, limit: StepLimit, nowMs: number): number {
  if (level.used === 0 && level.fraction === 0) {
    return 0;
  }
  return level.atMs - nowMs + drainTimeMs(level.used, level.fraction, limit);
}

/** When `cost` fits into a bucket that it does not fit into now, counted from `nowMs`. */
export function fitsAfterMs(level: BucketState, limit: StepLimit, nowMs: number, cost: number): number {
  return level.atMs - nowMs + drainTimeMs(level.used + cost - limit.burst, level.fraction, limit);
}
