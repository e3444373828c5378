/**
 * Calculates the deadline of a store, which is earlier than the caller's deadline, so that the service can still
 * respond in time.
 *
 * callControlInterceptor ends a call 20 ms (or a fifth of the remaining time) before its deadline, or up to two timer
 * ticks later. The store must fail before that time, so that the service still has time to return a suitable result,
 * such as the decision of the failure mode.
 */
import type { Clock } from '../lib/clock.ts';
import { deadlineOverBeforeStart } from './deadline-errors.ts';
import type { CallContext } from './method.ts';

export const MAX_MARGIN_MS = 40;
export const MARGIN_SHARE = 0.4;

/**
 * Returns the deadline of the store in monotonic time. Throws if the deadline of the call has passed, so that the store
 * does no unnecessary work.
 */
export function storeDeadlineMs(context: CallContext, clock: Clock, action: string): number {
  const leftMs = context.deadlineAtMs - clock.monotonicMs();
  if (leftMs <= 0) {
    throw deadlineOverBeforeStart(action);
  }
  return context.deadlineAtMs - Math.min(MAX_MARGIN_MS, leftMs * MARGIN_SHARE);
}
