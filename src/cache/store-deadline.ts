/**
 * When a store must have answered: before the caller's deadline, by as much as it takes to send an answer in time.
 */
import type { CallContext } from '../grpc/method.ts';
import { Status, StatusError } from '../grpc/status.ts';
import type { Clock } from '../lib/clock.ts';

const MARGIN_MS_MAX = 25;
const MARGIN_SHARE = 0.2;

/** Monotonic. Throws DEADLINE_EXCEEDED when the call's deadline is over, so that such a call costs no store work. */
export function storeDeadline(context: CallContext, clock: Clock, action: string): number {
  const leftMs = context.deadlineAtMs - clock.monotonicMs();
  if (leftMs <= 0) {
    throw new StatusError(
      Status.DEADLINE_EXCEEDED,
      `Cannot ${action}: the call's deadline is over, wanted a later one`,
    );
  }
  return context.deadlineAtMs - Math.min(MARGIN_MS_MAX, leftMs * MARGIN_SHARE);
}
