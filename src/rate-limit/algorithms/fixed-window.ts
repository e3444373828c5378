/**
 * FIXED_WINDOW: allows at most `limit` units per window. Windows start at multiples of their length, counted from the
 * Unix epoch.
 *
 * This algorithm is the cheapest one, but it may admit up to twice the limit around a window boundary. The files
 * fixed-window.lua and scripts/lean/fixed-window.lua implement the same arithmetic.
 */
import { asNever, type Step, type StepLimit, type Steps } from './step.ts';

export interface FixedWindowState {
  readonly startMs: number;
  readonly used: number;
}

export const fixedWindow: Steps<FixedWindowState> = {
  take: (state, limit, nowMs, cost) => {
    if (cost > limit.limit) {
      return asNever(decide(load(state, limit, nowMs), limit, nowMs, 0));
    }
    return decide(load(state, limit, nowMs), limit, nowMs, cost);
  },
  give: (state, limit, nowMs, units) => {
    const window = load(state, limit, nowMs);
    return decide({ ...window, used: Math.max(0, window.used - units) }, limit, nowMs, 0);
  },
  remaining: (state, limit, nowMs) => decide(load(state, limit, nowMs), limit, nowMs, 0),
};

interface Window extends FixedWindowState {
  readonly repaired: boolean;
}

function load(state: FixedWindowState | undefined, limit: StepLimit, nowMs: number): Window {
  const startMs = nowMs - (nowMs % limit.windowMs);
  if (state === undefined || state.startMs < startMs) {
    return { startMs, used: 0, repaired: false };
  }
  const repaired = state.startMs - nowMs > limit.windowMs;
  return { startMs: repaired ? startMs : state.startMs, used: state.used, repaired };
}

function decide(window: Window, limit: StepLimit, nowMs: number, cost: number): Step<FixedWindowState> {
  const { startMs, repaired } = window;
  const allowed = window.used + cost <= limit.limit;
  const used = allowed ? window.used + cost : window.used;
  const leftMs = startMs + limit.windowMs - nowMs;
  const outcome = {
    allowed,
    remaining: Math.max(0, limit.limit - used),
    retryAfterMs: allowed ? 0 : leftMs,
    resetAfterMs: used > 0 ? leftMs : 0,
    delayMs: 0,
    never: false,
  };
  return { state: { startMs, used }, outcome, repaired };
}
