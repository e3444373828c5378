/**
 * When a store must have answered: before the caller's deadline by so much that the failure mode, or the error, still arrives in time.
 *
 * The deadline interceptor answers 20 ms (or a fifth) before the deadline and its wheel may be two ticks late; a store's answer must not
 * lose that race, since only the service knows what to say in its place.
 */
import type { Clock } from '../lib/clock.ts';
import { deadlineOverBeforeStart } from './deadline-errors.ts';
import type { CallContext } from './method.ts';

export const MAX_MARGIN_MS = 40;
export const MARGIN_SHARE = 0.4;

/** Monotonic. Throws for a call whose deadline is over: it costs no store work. */
export function storeDeadlineMs(context: CallContext, clock: Clock, action: string): number {
  const leftMs = context.deadlineAtMs - clock.monotonicMs();
  if (leftMs <= 0) {
    throw deadlineOverBeforeStart(action);
  }
  return context.deadlineAtMs - Math.min(MAX_MARGIN_MS, leftMs * MARGIN_SHARE);
}
