/**
 * SLIDING_WINDOW_COUNTER: at most `limit` units in the window that ends now, estimated from two counters.
 *
 * What the previous window used is taken as spread evenly over it: with `e` ms of this window gone, its share is
 * previous * (W - e) / W. A call is admitted when that share, what this window used, and the cost fit together:
 * previous * (W - e) <= (limit - current - cost) * W, decided in integers. The share is rounded up when it is shown.
 * sliding-window-counter.lua takes the same steps.
 */
import { multiplyDivide, multiplyDivideUp } from './exact.ts';
import { asNever, type Step, type StepLimit } from './step.ts';

export interface SlidingWindowCounterState {
  readonly startMs: number;
  /** Used in the window before `startMs`. */
  readonly previous: number;
  /** Used since `startMs`. */
  readonly current: number;
}

export function stepSlidingWindowCounter(
  state: SlidingWindowCounterState | undefined,
  limit: StepLimit,
  nowMs: number,
  cost: number,
): Step<SlidingWindowCounterState> {
  if (cost > limit.limit) {
    return asNever(stepSlidingWindowCounter(state, limit, nowMs, 0));
  }
  const { windowMs } = limit;
  const { startMs, previous, current, repaired } = rollForward(state, windowMs, nowMs);
  const elapsedMs = Math.max(0, nowMs - startMs);
  const share = multiplyDivideUp(previous, windowMs - elapsedMs, windowMs);
  const allowed = share <= limit.limit - current - cost;
  const used = allowed ? current + cost : current;
  const outcome = {
    allowed,
    remaining: Math.max(0, limit.limit - used - share),
    retryAfterMs: allowed ? 0 : retryAtMs(startMs, previous, current, limit, cost) - nowMs,
    resetAfterMs: resetAtMs(startMs, previous, used, windowMs, nowMs) - nowMs,
    delayMs: 0,
    never: false,
  };
  return { state: { startMs, previous, current: used }, outcome, repaired };
}

function rollForward(
  state: SlidingWindowCounterState | undefined,
  windowMs: number,
  nowMs: number,
): SlidingWindowCounterState & { readonly repaired: boolean } {
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
function retryAtMs(startMs: number, previous: number, current: number, limit: StepLimit, cost: number): number {
  const { windowMs } = limit;
  const available = limit.limit - current - cost;
  if (available >= 0) {
    // Within this window, once the previous one's share has shrunk enough: W - e <= available * W / previous.
    return startMs + windowMs - multiplyDivide(available, windowMs, previous).quotient;
  }
  // Only after the roll, when what this window used has become the previous share and shrunk enough in its turn.
  return startMs + 2 * windowMs - multiplyDivide(limit.limit - cost, windowMs, current).quotient;
}

/** The first millisecond at which nothing counts any more. */
function resetAtMs(startMs: number, previous: number, current: number, windowMs: number, nowMs: number): number {
  if (current > 0) {
    return startMs + 2 * windowMs;
  }
  return previous > 0 ? startMs + windowMs : nowMs;
}
