/**
 * What the service asks of a store of limits. Two stores stand behind it, and one contract suite runs on both.
 *
 * Promises of every store:
 *   1. `take` decides all limits in one atomic step by the store's own clock: all are taken, or none.
 *   2. A denial and a peek change nothing. What is never asked for again is forgotten once it means nothing.
 *   3. `give` returns units to all limits in one atomic step. What was used never falls below zero.
 *   4. A failure is a StoreError. Any other error is a broken contract, such as a reply of Redis that no script of ours returns.
 */
import type { MaybePromise } from '../lib/maybe-promise.ts';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import type { StepOutcome } from './algorithms/step.ts';
import type { CompiledLimits, LimitFields } from './model.ts';

/** Whose limits: state is kept per scope, policy and subject. */
export interface SubjectKey {
  readonly scope: string;
  /** Empty for limits that callers give inline: their state is the subject's, whatever other limits are in the call. */
  readonly policy: string;
  readonly subject: string;
  /** Whether a store that others can read must not hold the subject in clear. Switching it starts new counts. */
  readonly isHashed?: boolean;
}

export interface TakeRequest {
  readonly key: SubjectKey;
  readonly limits: CompiledLimits;
  /** Units to take. 0 is a peek of one unit. */
  readonly cost: number;
  /** Decides as for this cost and takes nothing. */
  readonly isPeek?: boolean;
  /** Of leaky buckets; undefined: no bound. */
  readonly maxDelayMs: number | undefined;
}

export interface TakeResult {
  /** Whether all limits allow the cost. Of a peek: whether they would. */
  readonly allowed: boolean;
  /** One per limit, in their order. Where nothing is taken, what remains is what is there. */
  readonly outcomes: readonly StepOutcome[];
}

export interface GiveRequest {
  readonly key: SubjectKey;
  readonly limits: CompiledLimits;
  /** Units that were taken before, 1 or more. */
  readonly units: number;
}

export interface GiveResult {
  /** What a peek reports afterwards, one per limit. */
  readonly outcomes: readonly StepOutcome[];
}

export interface RateLimitStore {
  take(request: TakeRequest, deadlineAtMs: number): MaybePromise<TakeResult>;
  /** Returns units to every limit. */
  give(request: GiveRequest, deadlineAtMs: number): MaybePromise<GiveResult>;
  /** Forgets what the subject used of these limits; without limits, of all under the key. Whether there was anything. */
  reset(key: SubjectKey, limits: LimitFields | undefined, deadlineAtMs: number): MaybePromise<boolean>;
}

/** Whether the store only decides: a peek, or a cost that a limit never has. */
export function takesNothing({ limits, cost, isPeek }: TakeRequest): boolean {
  return isPeek === true || cost === 0 || cost > limits.smallestCapacity;
}

/** The units that are decided about. */
export function decidedUnits({ cost }: Pick<TakeRequest, 'cost'>): number {
  return cost === 0 ? 1 : cost;
}

/** More fields that count are refused; the same number stands in general-write.lua. */
export const MAX_FIELDS = 4_096;

/** A subject with thousands of limits of different names: each is state that somebody pays for. */
export function tooManyLimits(): StoreError {
  return new StoreError('full', `the subject has more than ${MAX_FIELDS} limits that count`);
}

/** Nothing was done: this release cannot know what the value means. */
export function newerLayout(): StoredFormatError {
  return new StoredFormatError(
    'a limit is stored in a layout that this release does not know, because a newer release wrote it; upgrade this sidecar',
  );
}
