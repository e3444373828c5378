/**
 * Deadlines as arithmetic: what the wire says (`grpc-timeout`), and how early we answer.
 *
 * The sidecar answers before the caller's deadline runs out: an error from us says what happened, the caller's own
 * timer only that nothing came. Services aim earlier still, so that a failure mode can decide.
 */

/** A timer of Node holds no more than this; longer ones would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** The deadline of a stream whose caller set none: never, yet finite. */
export const NO_DEADLINE_MS = Number.MAX_SAFE_INTEGER;

/** Two ticks of the timer wheel (10 ms) and the way to the caller. */
const MAX_ANSWER_MARGIN_MS = 20;
const ANSWER_MARGIN_SHARE = 0.2;

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000001 };

/** Milliseconds of a `grpc-timeout` header; undefined when it is malformed. */
export function parseGrpcTimeout(header: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  const unitMs = UNIT_MS[match?.[2] ?? ''];
  return unitMs === undefined ? undefined : Number(match?.[1]) * unitMs;
}

/** When a call must have been answered by us at the latest: its deadline less 20 ms, or less 20 % of what is left. */
export function answerByMs(deadlineAtMs: number, nowMs: number): number {
  return deadlineAtMs - Math.min(MAX_ANSWER_MARGIN_MS, (deadlineAtMs - nowMs) * ANSWER_MARGIN_SHARE);
}
