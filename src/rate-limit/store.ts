/**
 * What the service asks of a store of limits. Two stores stand behind it, and one contract suite runs on both.
 *
 * Promises of every store:
 *   1. `take` decides all limits in one atomic step by the store's own clock: all are taken, or none.
 *   2. A denial and a look (cost 0) change nothing. What is never asked for again is forgotten once it means nothing.
 *   3. Nothing but a StoreError is thrown or rejected with.
 */
import type { Answer } from '../lib/answer.ts';
import { StoreError } from '../lib/store-error.ts';
import type { StepOutcome } from './algorithms/step.ts';
import type { CompiledLimits } from './policy.ts';

/** Whose limits: state is kept per scope, policy and subject. */
export interface SubjectKey {
  readonly scope: string;
  /** Empty for limits that callers give inline: their state is the subject's, whatever other limits are in the call. */
  readonly policy: string;
  readonly subject: string;
}

export interface TakeRequest {
  readonly key: SubjectKey;
  readonly limits: CompiledLimits;
  /** 0 = look. */
  readonly cost: number;
  /** Of leaky buckets; undefined: no bound. */
  readonly maxDelayMs: number | undefined;
}

export interface TakeResult {
  readonly allowed: boolean;
  /** One per limit, in their order. */
  readonly outcomes: readonly StepOutcome[];
}

export interface RateLimitStore {
  take(request: TakeRequest, deadlineAtMs: number): Answer<TakeResult>;
  /** Forgets what the subject used of these limits; without limits, of all under the key. Whether there was anything. */
  reset(key: SubjectKey, limits: CompiledLimits | undefined, deadlineAtMs: number): Answer<boolean>;
}

/** More fields that count are refused; the same number stands in take.lua. */
export const FIELDS_MAX = 4_096;

/** A subject with thousands of limits of different names: each is state that somebody pays for. */
export function tooManyLimits(): StoreError {
  return new StoreError('full', `the subject has more than ${FIELDS_MAX} limits that count`);
}
