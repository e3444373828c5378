/**
 * Decodes the replies of the rate-limit scripts.
 *
 * A lean script returns the state of each limit at the server's time, with the cost added: 33 bytes per limit
 * (scripts/lean/one-end.lua). This module subtracts the cost and computes the outcome with the same TypeScript code as
 * the memory store. The general scripts return complete outcomes.
 *
 * Invariants:
 *   1. The functions throw a plain Error for a malformed reply (redis/script-reply.ts), so that the service fails the
 *      call and does not hide a broken script behind the failure mode.
 */
import type { RedisReply } from '../redis/commands.ts';
import { asBytes, asCode, malformedReply } from '../redis/script-reply.ts';
import type { StepOutcome } from './algorithms/step.ts';
import type { CompiledLimit } from './model.ts';
import { newerLayout, type TakeRequest, type TakeResult, tooManyLimits } from './store.ts';

const STATE_BYTES = 33;
const FITS_AT = 8;
const NOW_AT = 9;
const USED_AT = 17;
const OTHER_AT = 25;

/** Reply of a lean script that leaves the decision to the general script (one-begin.lua). */
const UNDECIDED = 70;

const OUTCOME_BYTES = 33;
const DONE = 1;
const TOO_MANY_FIELDS = 2;
const NEWER_LAYOUT = 3;
const ALLOWED = 1;
const NEVER = 2;
const RESET_CODES = [0, 1, NEWER_LAYOUT] as const;

/**
 * Decodes the reply of a lean script. Returns undefined if this script changed nothing and the general script must
 * decide.
 */
export function decodeLeanReply(leanReply: RedisReply, request: TakeRequest): TakeResult | undefined {
  const { limits } = request.limits;
  const reply = asBytes(leanReply);
  if (reply.length === 1 && reply[0] === UNDECIDED) {
    return undefined;
  }
  if (reply.length !== limits.length * STATE_BYTES) {
    throw malformedReply(`${limits.length} states of ${STATE_BYTES} bytes`, reply);
  }
  let allowed = true;
  for (let at = FITS_AT; at < reply.length; at += STATE_BYTES) {
    allowed &&= reply[at] === 1;
  }
  const view = viewOf(reply);
  const outcomes = limits.map((limit, index) => leanOutcome(view, index * STATE_BYTES, limit, request, allowed));
  return { allowed, outcomes };
}

function leanOutcome(
  view: DataView,
  at: number,
  { algorithm, spec }: CompiledLimit,
  { cost, maxDelayMs }: TakeRequest,
  allowed: boolean,
): StepOutcome {
  const nowMs = view.getFloat64(at + NOW_AT, true);
  const used = view.getFloat64(at + USED_AT, true) - cost;
  const state = algorithm.fromNumbers?.({ nowMs, used, other: view.getFloat64(at + OTHER_AT, true) }, spec.windowMs);
  if (!allowed && view.getUint8(at + FITS_AT) === 1) {
    // If any limit denies the call, the outcomes of the other limits describe their state without the cost.
    return algorithm.take(state, spec, nowMs, 0, maxDelayMs).outcome;
  }
  return algorithm.take(state, spec, nowMs, cost, maxDelayMs).outcome;
}

export function decodeGeneralReply(generalReply: RedisReply, limitCount: number): TakeResult {
  const reply = asBytes(generalReply);
  if (reply[0] === TOO_MANY_FIELDS) {
    throw tooManyLimits();
  }
  if (reply[0] === NEWER_LAYOUT) {
    throw newerLayout();
  }
  if (reply[0] !== DONE || reply.length !== 1 + limitCount * OUTCOME_BYTES) {
    throw malformedReply(`${limitCount} outcomes of ${OUTCOME_BYTES} bytes`, reply);
  }
  const view = viewOf(reply);
  const outcomes: StepOutcome[] = [];
  let allowed = true;
  for (let at = 1; at < reply.length; at += OUTCOME_BYTES) {
    const flags = view.getUint8(at);
    outcomes.push({
      allowed: (flags & ALLOWED) !== 0,
      remaining: view.getFloat64(at + 1, true),
      retryAfterMs: view.getFloat64(at + 9, true),
      resetAfterMs: view.getFloat64(at + 17, true),
      delayMs: view.getFloat64(at + 25, true),
      never: (flags & NEVER) !== 0,
    });
    allowed &&= (flags & ALLOWED) !== 0;
  }
  return { allowed, outcomes };
}

/** Returns whether the reset script found any state to delete. */
export function decodeResetReply(reply: RedisReply): boolean {
  const code = asCode(reply, RESET_CODES);
  if (code === NEWER_LAYOUT) {
    throw newerLayout();
  }
  return code === 1;
}

/** Wraps the reply in a DataView, because Buffer's readers copy the bytes of each number. */
function viewOf(reply: Buffer): DataView {
  return new DataView(reply.buffer, reply.byteOffset, reply.length);
}
