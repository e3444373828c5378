/**
 * Time as a dependency, so that a test can hold it still.
 *
 * Two times that must not be mixed: `nowMs` is Unix time (what users see; it can jump), `monotonicMs` only grows
 * (what deadlines, timeouts and near copies are measured in; it means nothing outside the process).
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

/** A clock that stands still until `advance` moves it. Both times move together. */
export class FakeClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  advance(durationMs: number): void {
    this.#nowMs += durationMs;
    this.#monotonicMs += durationMs;
  }

  /** Moves Unix time alone, as a stepped system clock does; may be negative. */
  skew(durationMs: number): void {
    this.#nowMs += durationMs;
  }
}
