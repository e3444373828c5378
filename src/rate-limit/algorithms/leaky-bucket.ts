/**
 * LEAKY_BUCKET: a queue of up to `burst` units that leaks `limit` units per window, so that admitted calls proceed at
 * an even rate.
 *
 * The response to an admitted call contains the time for which the caller must wait (`delayMs`). During this time, the
 * units of earlier calls leak from the queue. If this time would exceed `maxDelayMs`, the algorithm denies the call. In
 * this case, `retryAfterMs` is the time after which the wait would no longer exceed `maxDelayMs`. The file
 * leaky-bucket.lua implements the same arithmetic.
 */
import {
  type BucketLevel,
  type BucketState,
  drain,
  drainTimeMs,
  emptyAfterMs,
  fitsAfterMs,
  giveBack,
  takenUnits,
} from './bucket.ts';
import { asNever, type Step, type StepLimit, type Steps } from './step.ts';

export const leakyBucket: Steps<BucketState> = {
  take: (state, limit, nowMs, cost, maxDelayMs) => {
    const level = drain(state, limit, nowMs);
    if (cost > limit.burst) {
      return asNever(decide(level, limit, nowMs, 0, undefined));
    }
    return decide(level, limit, nowMs, cost, maxDelayMs);
  },
  give: (state, limit, nowMs, units) => decide(giveBack(drain(state, limit, nowMs), units), limit, nowMs, 0, undefined),
  remaining: (state, limit, nowMs) => decide(drain(state, limit, nowMs), limit, nowMs, 0, undefined),
};

function decide(
  level: BucketLevel,
  limit: StepLimit,
  nowMs: number,
  cost: number,
  maxDelayMs: number | undefined,
): Step<BucketState> {
  const taken = takenUnits(level);
  const delayMs = drainTimeMs(level.used, level.fraction, limit);
  let retryAfterMs = 0;
  if (taken + cost > limit.burst) {
    retryAfterMs = fitsAfterMs(level, limit, nowMs, cost);
  }
  if (maxDelayMs !== undefined && delayMs > maxDelayMs) {
    retryAfterMs = Math.max(retryAfterMs, level.atMs - nowMs + delayMs - maxDelayMs);
  }
  const allowed = retryAfterMs === 0;
  const granted = allowed ? cost : 0;
  const after = { atMs: level.atMs, used: level.used + granted, fraction: level.fraction };
  const outcome = {
    allowed,
    remaining: limit.burst - taken - granted,
    retryAfterMs,
    resetAfterMs: emptyAfterMs(after, limit, nowMs),
    delayMs: allowed ? delayMs : 0,
    never: false,
  };
  return { state: after, outcome, repaired: level.repaired };
}
