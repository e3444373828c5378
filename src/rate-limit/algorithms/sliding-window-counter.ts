/**
 * SLIDING_WINDOW_COUNTER: at most `limit` units in the window that ends now, estimated from two counters.
 *
 * What the previous window used is taken as spread evenly over it. With `e` whole milliseconds since this window began, its share is
 * floor(previous * (W - e - 1) / W). A call is admitted if that share, what this window used, and the cost are at most the limit.
 *
 * Promises:
 *   1. A client that sends calls of one unit exactly at the pace of its limit, one every W / limit ms, is always admitted, whatever its
 *      phase. Its previous window used `limit` at most. Its next call comes at least current * W / limit ms after the window began, within
 *      the millisecond e, so current < limit * (e + 1) / W. Therefore current + 1 <= ceil(limit * (e + 1) / W) = limit - share. This
 *      holds because the millisecond of the call counts as gone, and because the share is rounded down.
 *   2. In any d milliseconds at most limit + ceil(limit * (d - 1) / W) units are admitted: a whole limit at the end of one window, then
 *      what the falling share frees.
 *
 * `give` returns units to this window first and to the previous one for the rest: the newest units are the likeliest to come back.
 * sliding-window-counter.lua takes the same steps, and so does scripts/lean/sliding-window-counter.lua.
 */
import { multiplyDivide, multiplyDivideUp } from './exact.ts';
import { asNever, type Step, type StepLimit, type Steps } from './step.ts';

export interface SlidingWindowCounterState {
  readonly startMs: number;
  /** Used in the window before `startMs`. */
  readonly previous: number;
  /** Used since `startMs`. */
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

/** The first millisecond at which the denied call would fit. */
function retryAtMs({ startMs, previous, current }: Windows, limit: StepLimit, cost: number): number {
  const { windowMs } = limit;
  const available = limit.limit - current - cost;
  if (available >= 0) {
    return shareFallsAtMs({ startMs, previous, available, windowMs });
  }
  // Only after the roll, when what this window used has become the previous share and has fallen enough in its turn.
  return shareFallsAtMs({
    startMs: startMs + windowMs,
    previous: current,
    available: limit.limit - cost,
    windowMs,
  });
}

/** The first millisecond at which nothing counts any more. */
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
 * The first millisecond at which the share of `previous` units, more than `available`, is at most `available`: the first `e` with
 * previous * (W - e - 1) < (available + 1) * W.
 */
function shareFallsAtMs({ startMs, previous, available, windowMs }: FallingShare): number {
  return startMs + windowMs - multiplyDivideUp(available + 1, windowMs, previous);
}
