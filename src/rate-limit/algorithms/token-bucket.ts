/**
 * TOKEN_BUCKET: up to `burst` units at once, refilled evenly by `limit` units per window.
 *
 * Kept as the level of what was used (bucket.ts), which drains at the rate at which tokens come back.
 * token-bucket.lua takes the same steps.
 */
import { type BucketState, drain, emptyAfterMs, fitsAfterMs, takenUnits } from './bucket.ts';
import { asNever, type Step, type StepLimit } from './step.ts';

export function stepTokenBucket(
  state: BucketState | undefined,
  limit: StepLimit,
  nowMs: number,
  cost: number,
): Step<BucketState> {
  if (cost > limit.burst) {
    return asNever(stepTokenBucket(state, limit, nowMs, 0));
  }
  const level = drain(state, limit, nowMs);
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
