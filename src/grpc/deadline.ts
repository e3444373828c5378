/**
 * Calculates deadlines: parses `grpc-timeout`, and determines how long before the deadline of a call the sidecar must
 * respond.
 *
 * The sidecar responds before the caller's deadline passes, because the error of the sidecar states the cause. The
 * caller's own timer would report only that no response arrived. Stores have an even earlier deadline
 * (store-deadline.ts), so that there is still time to apply the failure mode of a limit.
 */

/** Maximum delay of a Node timer. A timer with a longer delay would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** Deadline of a stream whose caller set no deadline. The value is finite but too large to be reached. */
export const NO_DEADLINE_MS = Number.MAX_SAFE_INTEGER;

/** Maximum lateness of a timer in the timer wheel (two ticks, 10 ms), plus 10 ms for sending the response. */
const MAX_ANSWER_MARGIN_MS = 20;
const ANSWER_MARGIN_SHARE = 0.2;

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000001 };

/** Returns the timeout of a `grpc-timeout` header in milliseconds, or undefined if the header is malformed. */
export function parseGrpcTimeout(header: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  const unitMs = UNIT_MS[match?.[2] ?? ''];
  return unitMs === undefined ? undefined : Number(match?.[1]) * unitMs;
}

/**
 * Returns the time by which the sidecar must respond. This time is earlier than the deadline by 20 ms, or by 20 % of
 * the remaining time if that is less.
 */
export function answerByMs(deadlineAtMs: number, nowMs: number): number {
  return deadlineAtMs - Math.min(MAX_ANSWER_MARGIN_MS, (deadlineAtMs - nowMs) * ANSWER_MARGIN_SHARE);
}
