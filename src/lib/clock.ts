/**
 * Time as a dependency, so that tests can control it.
 *
 * The two times must not be mixed. `nowMs` is Unix time, which users see and which can jump. `monotonicMs` never goes back; deadlines, timeouts and
 * near-cache entries use it, and it has no meaning outside the process.
 */
export interface Clock {
  /** Returns the Unix time in whole milliseconds. */
  nowMs(): number;
  /** Returns the milliseconds since an arbitrary start, with a fraction. It never goes back. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
