/**
 * SLIDING_WINDOW_COUNTER: allows about `limit` units in any period of one window. The algorithm estimates the units
 * used in the last window from two counters.
 *
 * The estimate assumes that the units of the previous window were used at an even rate. W is the length of a window in
 * ms. If the current window began `e` whole milliseconds ago, the share of the previous window in the estimate is
 * floor(previous * (W - e - 1) / W) units. The algorithm allows a call if the share, the units of the current window,
 * and the cost together do not exceed the limit.
 *
 * Invariants:
 *   1. A client that sends one-unit calls exactly at the rate of its limit, one every W / limit ms, is always allowed,
 *      whenever it starts. The client used at most `limit` units in the previous window. Its next call arrives in
 *      millisecond e, at least current * W / limit ms after the start of the window, so current < limit * (e + 1) / W.
 *      Therefore current + 1 <= ceil(limit * (e + 1) / W) <= limit - share. The proof relies on two facts: the
 *      algorithm treats the current millisecond as elapsed, and it rounds the share down.
 *   2. In any period of d milliseconds, the algorithm admits at most limit + ceil(limit * (d - 1) / W) units. The first
 *      term is the full limit at the end of one window, and the second term is the units that become available as the
 *      share decreases.
 *
 * `give` returns units to the current window first and then to the previous one, because a caller usually returns units
 * soon after it has consumed them. The files sliding-window-counter.lua and scripts/lean/sliding-window-counter.lua
 * implement the same arithmetic.
 */
import { multiplyDivide, multiplyDivideUp } from './exact.ts';
import { asNever, type Step, type StepLimit, type Steps } from './step.ts';

export interface SlidingWindowCounterState {
  readonly startMs: number;
  /** Units used in the window that ended at `startMs`. */
  readonly previous: number;
  /** Units used since `startMs`. */
  readonly current: number;
}

export const slidingWindowCounter: Steps<SlidingWindowCounterState> = {
  take: (state, limit, nowMs, cost) => {
    const windows = rollForward(state, limit.windowMs, nowMs);
    if (cost > limit.limit) {
      return asNever(decide(windows, limit, nowMs, 0));
    }
    return decide(windows, limit, nowMs, cost);
  },
  give: (state, limit, nowMs, units) => {
    const windows = rollForward(state, limit.windowMs, nowMs);
    const ofCurrent = Math.min(windows.current, units);
    const current = windows.current - ofCurrent;
    const previous = Math.max(0, windows.previous - (units - ofCurrent));
    return decide({ ...windows, previous, current }, limit, nowMs, 0);
  },
  remaining: (state, limit, nowMs) => decide(rollForward(state, limit.windowMs, nowMs), limit, nowMs, 0),
};

interface Windows extends SlidingWindowCounterState {
  readonly repaired: boolean;
}

function decide(windows: Windows, limit: StepLimit, nowMs: number, cost: number): Step<SlidingWindowCounterState> {
  const { windowMs } = limit;
  const { startMs, previous, current, repaired } = windows;
  const elapsedMs = Math.max(0, nowMs - startMs);
  const share = multiplyDivide(previous, windowMs - elapsedMs - 1, windowMs).quotient;
  const allowed = share <= limit.limit - current - cost;
  const used = allowed ? current + cost : current;
  const outcome = {
    allowed,
    remaining: Math.max(0, limit.limit - used - share),
    retryAfterMs: allowed ? 0 : retryAtMs(windows, limit, cost) - nowMs,
    resetAfterMs: Math.max(0, resetAtMs({ startMs, previous, current: used }, windowMs, nowMs) - nowMs),
    delayMs: 0,
    never: false,
  };
  return { state: { startMs, previous, current: used }, outcome, repaired };
}

function rollForward(state: SlidingWindowCounterState | undefined, windowMs: number, nowMs: number): Windows {
  const startMs = nowMs - (nowMs % windowMs);
  if (state === undefined) {
    return { startMs, previous: 0, current: 0, repaired: false };
  }
  if (state.startMs >= startMs) {
    const repaired = state.startMs - nowMs > windowMs;
    const { previous, current } = state;
    return { startMs: repaired ? startMs : state.startMs, previous, current, repaired };
  }
  const previous = state.startMs === startMs - windowMs ? state.current : 0;
  return { startMs, previous, current: 0, repaired: false };
}

/** Returns the first millisecond at which the denied call would be allowed. */
function retryAtMs({ startMs, previous, current }: Windows, limit: StepLimit, cost: number): number {
  const { windowMs } = limit;
  const available = limit.limit - current - cost;
  if (available >= 0) {
    return shareFallsAtMs({ startMs, previous, available, windowMs });
  }
  // The call fits only in the next window, once the share of the current window has become small enough.
  return shareFallsAtMs({
    startMs: startMs + windowMs,
    previous: current,
    available: limit.limit - cost,
    windowMs,
  });
}

/** Returns the first millisecond at which the limit is completely unused. */
function resetAtMs({ startMs, previous, current }: SlidingWindowCounterState, windowMs: number, nowMs: number): number {
  if (current > 0) {
    return shareFallsAtMs({ startMs: startMs + windowMs, previous: current, available: 0, windowMs });
  }
  return previous > 0 ? shareFallsAtMs({ startMs, previous, available: 0, windowMs }) : nowMs;
}

interface FallingShare {
  readonly startMs: number;
  readonly previous: number;
  readonly available: number;
  readonly windowMs: number;
}

/**
 * Returns the first millisecond at which the share of `previous` units is at most `available`. The share at the current
 * time must be larger than `available`. The result is `startMs` plus the first `e` with previous * (W - e - 1) <
 * (available + 1) * W.
 */
function shareFallsAtMs({ startMs, previous, available, windowMs }: FallingShare): number {
  return startMs + windowMs - multiplyDivideUp(available + 1, windowMs, previous);
}
