/**
 * Converts the outcomes of the limits into the response of a check. All functions are pure.
 */
import type { CheckRateLimitResponse } from '../grpc/generated/pannier/v1/CheckRateLimitResponse.ts';
import { DecidedBy } from '../grpc/generated/pannier/v1/DecidedBy.ts';
import type { LimitStatus } from '../grpc/generated/pannier/v1/LimitStatus.ts';
import type { StepOutcome } from './algorithms/step.ts';
import type { CompiledLimit, CompiledLimits } from './model.ts';
import type { TakeResult } from './store.ts';

/**
 * Retry delay that the response reports if the failure mode denies a call, in ms. After about this time, the sidecar
 * tries to reach a failed Redis node again.
 */
const FAILURE_RETRY_MS = 1_000;

/** Parts of a request on which the response depends. */
export interface AnsweredRequest {
  readonly cost: number;
  readonly isPeek: boolean;
  readonly detail: boolean;
}

export function decidedAnswer(
  limits: CompiledLimits,
  result: TakeResult,
  request: AnsweredRequest,
): CheckRateLimitResponse {
  return answerOf(limits, result, request, DecidedBy.DECIDED_BY_STORE);
}

/**
 * Builds the response for a call that the failure mode decides because the store has failed. The remaining units are
 * unknown, so the response reports every limit as used up at `nowMs`: `remaining` is 0, and `resetAfterMs` is an upper
 * bound.
 */
export function failureAnswer(
  limits: CompiledLimits,
  failure: { readonly mode: 'allow' | 'deny'; readonly nowMs: number },
  request: AnsweredRequest,
): CheckRateLimitResponse {
  const outcomes = limits.limits.map(({ algorithm, spec, capacity }): StepOutcome => {
    const usedUp = algorithm.take(undefined, spec, failure.nowMs, capacity, undefined).outcome;
    const never = request.cost > capacity;
    const allowed = failure.mode === 'allow' && !never;
    const retryAfterMs = allowed || never ? 0 : FAILURE_RETRY_MS;
    return { allowed, remaining: 0, retryAfterMs, resetAfterMs: usedUp.resetAfterMs, delayMs: 0, never };
  });
  const allowed = outcomes.every((outcome) => outcome.allowed);
  return answerOf(limits, { allowed, outcomes }, request, DecidedBy.DECIDED_BY_FAILURE_MODE);
}

function answerOf(
  limits: CompiledLimits,
  result: TakeResult,
  request: AnsweredRequest,
  decidedBy: DecidedBy,
): CheckRateLimitResponse {
  const index = decidingIndex(limits, result);
  const { spec } = limits.limits[index] as CompiledLimit;
  const outcome = result.outcomes[index] as StepOutcome;
  const { outcomes, allowed } = result;
  const never = outcomes.some((other) => other.never);
  return {
    allowed,
    limitName: spec.name,
    limit: spec.limit,
    burst: spec.burst,
    windowMs: spec.windowMs,
    remaining: outcome.remaining,
    granted: allowed && !request.isPeek ? request.cost : 0,
    retryAfterMs: allowed || never ? 0 : largest(outcomes, (other) => other.retryAfterMs),
    never,
    resetAfterMs: largest(outcomes, (other) => other.resetAfterMs),
    delayMs: allowed ? largest(outcomes, (other) => other.delayMs) : 0,
    decidedBy,
    limits: request.detail ? outcomes.map((other, at) => statusOf(limits.limits[at] as CompiledLimit, other)) : [],
  };
}

/**
 * Returns the index of the limit that the response describes. If any limit denies the call, the function returns the
 * denying limit with the longest wait. A limit that can never allow the call has the longest wait of all. If all limits
 * allow the call, the function returns the limit with the smallest remaining fraction of its capacity.
 */
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
    burst: limit.spec.burst,
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
