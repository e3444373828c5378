/**
 * TOKEN_BUCKET: allows bursts of up to `burst` units and refills at `limit` units per window.
 *
 * The state is the number of used units (the level in bucket.ts), which decreases at the refill rate. The file
 * token-bucket.lua implements the same arithmetic.
 */
import {
  type BucketLevel,
  type BucketState,
  drain,
  emptyAfterMs,
  fitsAfterMs,
  giveBack,
  takenUnits,
} from './bucket.ts';
import { asNever, type Step, type StepLimit, type Steps } from './step.ts';

export const tokenBucket: Steps<BucketState> = {
  take: (state, limit, nowMs, cost) => {
    const level = drain(state, limit, nowMs);
    return cost > limit.burst ? asNever(decide(level, limit, nowMs, 0)) : decide(level, limit, nowMs, cost);
  },
  give: (state, limit, nowMs, units) => decide(giveBack(drain(state, limit, nowMs), units), limit, nowMs, 0),
  remaining: (state, limit, nowMs) => decide(drain(state, limit, nowMs), limit, nowMs, 0),
};

function decide(level: BucketLevel, limit: StepLimit, nowMs: number, cost: number): Step<BucketState> {
  const taken = takenUnits(level);
  const allowed = taken + cost <= limit.burst;
  const granted = allowed ? cost : 0;
  const after = { atMs: level.atMs, used: level.used + granted, fraction: level.fraction };
  const outcome = {
    allowed,
    remaining: limit.burst - taken - granted,
    retryAfterMs: allowed ? 0 : fitsAfterMs(level, limit, nowMs, cost),
    resetAfterMs: emptyAfterMs(after, limit, nowMs),
    delayMs: 0,
    never: false,
  };
  return { state: after, outcome, repaired: level.repaired };
}
