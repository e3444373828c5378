/**
 * Contract between RateLimitService and its stores. The files memory-store.ts and redis-store.ts implement this
 * contract, and one contract suite tests both stores.
 *
 * Invariants of every store:
 *   1. `take` decides all limits in one atomic step by the store's own clock. `take` consumes units from all limits or
 *      from none.
 *   2. A denial and a peek change no state, except that a denial may repair the time of a state (algorithms/step.ts,
 *      rule 4). A store deletes state that no longer affects decisions.
 *   3. `give` returns units to all limits in one atomic step, and the used units never drop below zero.
 *   4. An expected failure is a StoreError. Any other error means that a part of the system has a bug, such as a script
 *      with a malformed reply.
 */
import type { MaybePromise } from '../lib/maybe-promise.ts';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import type { StepOutcome } from './algorithms/step.ts';
import type { CompiledLimits, LimitFields } from './model.ts';

/** Identifies a subject: stores keep state per scope, policy and subject. */
export interface SubjectKey {
  readonly scope: string;
  /**
   * Name of the policy; empty for inline limits. All calls with inline limits share the subject's state for a given
   * limit.
   */
  readonly policy: string;
  readonly subject: string;
  /**
   * Whether Redis must store a hash instead of the subject itself. After a change of this value, all limits of the
   * subject start empty.
   */
  readonly isHashed?: boolean;
}

export interface TakeRequest {
  readonly key: SubjectKey;
  readonly limits: CompiledLimits;
  /** Number of units to consume. A cost of 0 is a peek that checks for one unit. */
  readonly cost: number;
  /** Whether to report the decision for this cost without consuming units. */
  readonly isPeek?: boolean;
  /** Maximum delay that the caller accepts from leaky buckets, in ms; undefined for no maximum. */
  readonly maxDelayMs: number | undefined;
}

export interface TakeResult {
  /** Whether all limits allow the cost. For a peek: whether all limits would allow the cost. */
  readonly allowed: boolean;
  /**
   * Outcomes in the order of the limits. If the call consumes nothing, `remaining` is the number of units that are
   * available now.
   */
  readonly outcomes: readonly StepOutcome[];
}

export interface GiveRequest {
  readonly key: SubjectKey;
  readonly limits: CompiledLimits;
  /** Number of units to return, at least 1. Earlier calls must have consumed these units. */
  readonly units: number;
}

export interface GiveResult {
  /** Outcomes in the order of the limits, as a peek after this call would report them. */
  readonly outcomes: readonly StepOutcome[];
}

export interface RateLimitStore {
  take(request: TakeRequest, deadlineAtMs: number): MaybePromise<TakeResult>;
  /** Returns units to every limit of the call. */
  give(request: GiveRequest, deadlineAtMs: number): MaybePromise<GiveResult>;
  /** Deletes the state of the given limits, or of all limits of the subject. Returns whether any state existed. */
  reset(key: SubjectKey, limits: LimitFields | undefined, deadlineAtMs: number): MaybePromise<boolean>;
}

/** Returns whether a call cannot consume units, because it is a peek or its cost exceeds the capacity of a limit. */
export function takesNothing({ limits, cost, isPeek }: TakeRequest): boolean {
  return isPeek === true || cost === 0 || cost > limits.smallestCapacity;
}

/** Returns the number of units for which the store decides: the cost, or 1 if the cost is 0. */
export function decidedUnits({ cost }: Pick<TakeRequest, 'cost'>): number {
  return cost === 0 ? 1 : cost;
}

/** Maximum number of unexpired fields per subject. The file general-write.lua has the same constant. */
export const MAX_FIELDS = 4_096;

/** Returns the error for a subject with too many differently named limits, each of which would occupy memory. */
export function tooManyLimits(): StoreError {
  return new StoreError('full', `cannot store the limit: the subject has more than ${MAX_FIELDS} limits in use`);
}

/** Returns the error for a value that a newer release wrote. The store has changed nothing. */
export function newerLayout(): StoredFormatError {
  return new StoredFormatError(
    'cannot read the limit: a newer release stored it in a layout that this release does not know; upgrade this sidecar',
  );
}
