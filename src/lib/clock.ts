/**
 * Defines the clock as a dependency, so that tests can control the time.
 *
 * `nowMs` is Unix time, which users see and which can jump. `monotonicMs` never decreases and has no meaning outside
 * the process. Deadlines, timeouts and near-cache entries use `monotonicMs`. No calculation may combine a Unix time
 * with a monotonic time.
 */
export interface Clock {
  /** Returns the Unix time in whole milliseconds. */
  nowMs(): number;
  /** Returns the milliseconds since an arbitrary point in time, with a fraction. The result never decreases. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
