/**
 * What every algorithm consists of: `take`, `give` and `remaining`, pure steps from a state and a call to a new state and an outcome.
 *
 * Rules that hold for all of them:
 *   1. A state holds what was used, never what remains, so a changed limit applies at the next step.
 *   2. A step that denies, and one that takes nothing, returns the state it found, except after 4.
 *   3. Stored time does not move backwards: where the state is ahead of `nowMs` by at most one window (a failed-over master
 *      with a slower clock), the step happens at the state's own time, and the waits it names count from `nowMs`.
 *   4. Where the state is further ahead than that (a broken clock), it is moved to `nowMs` with what it says was used.
 *      `repaired` is true, and the state must be stored whatever the outcome: else a denial would last until the
 *      broken time comes.
 *   5. All numbers are integers within +-2^53, and the .lua beside each file agrees to the last one.
 *   6. `give` returns units that were taken before. What was used never falls below zero: units that no longer count cannot be returned.
 */

/** The numbers of a limit, within the bounds of config/policy-file.ts. */
export interface StepLimit {
  /** Units per window, the rate of a bucket. */
  readonly limit: number;
  readonly windowMs: number;
  /** Size of a bucket; equals `limit` for the windowed algorithms. */
  readonly burst: number;
}

export interface StepOutcome {
  readonly allowed: boolean;
  /** Units left after this step. */
  readonly remaining: number;
  /** When the same call would be allowed if nobody else came; 0 when it is allowed or never will be. */
  readonly retryAfterMs: number;
  /** When everything is back; 0 when it is. */
  readonly resetAfterMs: number;
  /** What is allowed waits this long first. */
  readonly delayMs: number;
  /** The cost is more than the limit has. */
  readonly never: boolean;
}

export interface Step<State> {
  readonly state: State;
  readonly outcome: StepOutcome;
  readonly repaired: boolean;
}

/** The three steps of one algorithm. `state` is undefined for a subject that has used nothing. */
export interface Steps<State> {
  /** Takes `cost` units if they fit. `maxDelayMs` is undefined for no bound. */
  take(
    state: State | undefined,
    limit: StepLimit,
    nowMs: number,
    cost: number,
    maxDelayMs: number | undefined,
  ): Step<State>;
  /** Returns `units` that were taken before. The outcome is the one of `remaining` afterwards. */
  give(state: State, limit: StepLimit, nowMs: number, units: number): Step<State>;
  /** Takes nothing: what is there. */
  remaining(state: State | undefined, limit: StepLimit, nowMs: number): Step<State>;
}

/** Turns the outcome of a step that takes nothing into the one of a cost above the capacity. */
export function asNever<State>(idle: Step<State>): Step<State> {
  const outcome = { ...idle.outcome, allowed: false, never: true, retryAfterMs: 0, delayMs: 0 };
  return { state: idle.state, outcome, repaired: idle.repaired };
}
