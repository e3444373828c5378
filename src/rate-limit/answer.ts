/**
 * From outcomes to the answer that callers see. Pure.
 */
import type { CheckRateLimitResponse } from '../grpc/generated/pannier/v1/CheckRateLimitResponse.ts';
import { DecidedBy } from '../grpc/generated/pannier/v1/DecidedBy.ts';
import type { LimitStatus } from '../grpc/generated/pannier/v1/LimitStatus.ts';
import type { StepOutcome } from './algorithms/step.ts';
import type { CompiledLimit, CompiledLimits } from './policy.ts';
import type { TakeResult } from './store.ts';

/** Callers that are denied by the failure mode come back after this: the time in which a node is given up and asked anew. */
const FAILURE_RETRY_MS = 1_000;

export function decidedAnswer(
  limits: CompiledLimits,
  result: TakeResult,
  request: { cost: number; detail: boolean },
): CheckRateLimitResponse {
  const index = decidingIndex(limits, result);
  const limit = limits.limits[index] as CompiledLimit;
  const outcome = result.outcomes[index] as StepOutcome;
  const { outcomes, allowed } = result;
  const never = outcomes.some((other) => other.never);
  return {
    allowed,
    limitName: limit.spec.name,
    limit: limit.spec.limit,
    windowMs: limit.spec.windowMs,
    remaining: outcome.remaining,
    granted: allowed ? request.cost : 0,
    retryAfterMs: allowed || never ? 0 : largest(outcomes, (other) => other.retryAfterMs),
    never,
    resetAfterMs: largest(outcomes, (other) => other.resetAfterMs),
    delayMs: allowed ? largest(outcomes, (other) => other.delayMs) : 0,
    decidedBy: DecidedBy.DECIDED_BY_STORE,
    limits: request.detail ? outcomes.map((other, at) => statusOf(limits.limits[at] as CompiledLimit, other)) : [],
  };
}

/** Nobody could ask the store: the failure mode's answer. */
export function failureAnswer(limits: CompiledLimits, mode: 'allow' | 'deny', cost: number): CheckRateLimitResponse {
  const { spec } = limits.limits[0] as CompiledLimit;
  const never = limits.limits.some((limit) => cost > limit.capacity);
  const allowed = mode === 'allow' && !never;
  return {
    allowed,
    limitName: spec.name,
    limit: spec.limit,
    windowMs: spec.windowMs,
    remaining: 0,
    granted: allowed ? cost : 0,
    retryAfterMs: allowed || never ? 0 : FAILURE_RETRY_MS,
    never,
    resetAfterMs: 0,
    delayMs: 0,
    decidedBy: DecidedBy.DECIDED_BY_FAILURE_MODE,
    limits: [],
  };
}

/** The denier with the longest wait (one that never allows waits longest); else the one with the smallest share left. */
function decidingIndex(limits: CompiledLimits, result: TakeResult): number {
  let deciding = 0;
  let decidingWeight = Number.NEGATIVE_INFINITY;
  for (const [index, outcome] of result.outcomes.entries()) {
    const capacity = limits.limits[index]?.capacity ?? 1;
    const weight = result.allowed ? -outcome.remaining / capacity : waitOf(outcome);
    if (weight > decidingWeight) {
      deciding = index;
      decidingWeight = weight;
    }
  }
  return deciding;
}

function waitOf(outcome: StepOutcome): number {
  if (outcome.never) {
    return Number.POSITIVE_INFINITY;
  }
  return outcome.allowed ? -1 : outcome.retryAfterMs;
}

function statusOf(limit: CompiledLimit, outcome: StepOutcome): LimitStatus {
  return {
    name: limit.spec.name,
    algorithm: limit.algorithm.number as NonNullable<LimitStatus['algorithm']>,
    limit: limit.spec.limit,
    windowMs: limit.spec.windowMs,
    remaining: outcome.remaining,
    allowed: outcome.allowed,
    retryAfterMs: outcome.retryAfterMs,
    resetAfterMs: outcome.resetAfterMs,
  };
}

function largest(outcomes: readonly StepOutcome[], of: (outcome: StepOutcome) => number): number {
  return outcomes.reduce((most, outcome) => Math.max(most, of(outcome)), 0);
}
