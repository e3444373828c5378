/**
 * Time as a dependency, so that a test can hold it still.
 *
 * Two times that must not be mixed: `nowMs` is Unix time (what users see; it can jump), `monotonicMs` only grows
 * (what deadlines, timeouts and near-cache entries are measured in; it means nothing outside the process).
 */
export interface Clock {
  /** Unix time, whole milliseconds. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start, with a fraction; never goes back. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
