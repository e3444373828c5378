/**
 * Contract of an algorithm: the pure functions `take`, `give` and `remaining`. Each function maps a state and a call to
 * a new state and an outcome.
 *
 * Rules for every algorithm:
 *   1. A state stores used units, never remaining units, so that a new value of `limit` applies to the next call.
 *   2. A call that is denied or has cost 0 returns the state unchanged. Rule 4 is the only exception.
 *   3. The time of a state never moves backwards. The time of a state may be later than `nowMs`, because a failover can
 *      promote a master with a slower clock. If the time of the state is later by at most one window, the algorithm
 *      decides the call at the time of the state. The reported waiting times still start at `nowMs`.
 *   4. If the time of a state is later by more than one window, a store with a broken clock has written the state. The
 *      algorithm moves the state to `nowMs` and keeps its used units. In this case, `repaired` is true, and the store
 *      must write the state even after a denial. Otherwise the algorithm would deny calls until the clock reaches the
 *      time of the state.
 *   5. All numbers are integers within +-2^53, and the .lua file of the algorithm computes identical numbers.
 *   6. `give` returns units that earlier calls have consumed. The used units never drop below zero, even if some of the
 *      returned units have already expired.
 */

/** Numbers of a limit, within the bounds of config/policy-file.ts. */
export interface StepLimit {
  /** Units per window. For a bucket, this is the refill or leak rate. */
  readonly limit: number;
  readonly windowMs: number;
  /** Size of a bucket; equal to `limit` for the window algorithms. */
  readonly burst: number;
}

export interface StepOutcome {
  readonly allowed: boolean;
  /** Number of units that are available after this call. */
  readonly remaining: number;
  /**
   * Time until the same call would be allowed if no other call arrived, in ms. The time is 0 if the call is allowed now
   * or can never be allowed.
   */
  readonly retryAfterMs: number;
  /** Time until the limit is completely unused again, in ms; 0 if the limit is already unused. */
  readonly resetAfterMs: number;
  /** Time that an allowed caller must wait before it proceeds, in ms. */
  readonly delayMs: number;
  /** Whether the cost exceeds the capacity, so that waiting does not help. */
  readonly never: boolean;
}

export interface Step<State> {
  readonly state: State;
  readonly outcome: StepOutcome;
  readonly repaired: boolean;
}

/** Functions of one algorithm. `state` is undefined for a subject that has used no units. */
export interface Steps<State> {
  /** Consumes `cost` units if they are available. An undefined `maxDelayMs` means no maximum. */
  take(
    state: State | undefined,
    limit: StepLimit,
    nowMs: number,
    cost: number,
    maxDelayMs: number | undefined,
  ): Step<State>;
  /**
   * Returns `units` to the limit. Earlier calls have consumed these units. The outcome is the same as that of a
   * following call to `remaining`.
   */
  give(state: State, limit: StepLimit, nowMs: number, units: number): Step<State>;
  /** Reports the current state and consumes nothing. */
  remaining(state: State | undefined, limit: StepLimit, nowMs: number): Step<State>;
}

/** Converts the outcome of a call that consumes nothing into the denial of a call whose cost exceeds the capacity. */
export function asNever<State>(idle: Step<State>): Step<State> {
  const outcome = { ...idle.outcome, allowed: false, never: true, retryAfterMs: 0, delayMs: 0 };
  return { state: idle.state, outcome, repaired: idle.repaired };
}
