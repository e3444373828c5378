/**
 * FIXED_WINDOW: at most `limit` units per window; windows begin at multiples of their length since 1970 (UTC).
 *
 * Cheapest and easiest to explain; up to twice the limit can pass around the seam of two windows.
 * fixed-window.lua takes the same steps.
 */
import { asNever, type Step, type StepLimit } from './step.ts';

export interface FixedWindowState {
  readonly startMs: number;
  readonly used: number;
}

export function stepFixedWindow(
  state: FixedWindowState | undefined,
  limit: StepLimit,
  nowMs: number,
  cost: number,
): Step<FixedWindowState> {
  if (cost > limit.limit) {
    return asNever(stepFixedWindow(state, limit, nowMs, 0));
  }
  const { windowMs } = limit;
  let startMs = nowMs - (nowMs % windowMs);
  let used = 0;
  let repaired = false;
  if (state !== undefined && state.startMs >= startMs) {
    used = state.used;
    repaired = state.startMs - nowMs > windowMs;
    startMs = repaired ? startMs : state.startMs;
  }
  const allowed = used + cost <= limit.limit;
  if (allowed) {
    used += cost;
  }
  const leftMs = startMs + windowMs - nowMs;
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
