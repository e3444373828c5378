/**
 * Parses replies of scripts and commands. Pure.
 *
 * Invariant: a reply of an unexpected form violates the contract between a script and its parser, so the parser throws
 * a plain Error. The call fails with the status INTERNAL, and the sidecar logs the error. The error is never a
 * StoreError, because a failure mode must not hide a defect that no operator can correct.
 */
import type { RedisReply } from './commands.ts';

type Reply = RedisReply | undefined;

/** Returns a list with at least `minLength` elements. */
export function asList(reply: Reply, minLength = 0): readonly RedisReply[] {
  if (!Array.isArray(reply) || reply.length < minLength) {
    throw malformedReply(minLength === 0 ? 'a list' : `a list of ${minLength} or more`, reply);
  }
  return reply;
}

/** Returns alternating names and values, as in a reply of HGETALL. */
export function asPairs(reply: Reply): readonly RedisReply[] {
  const list = asList(reply);
  if (list.length % 2 !== 0) {
    throw malformedReply('a list of names and values', reply);
  }
  return list;
}

export function asBytes(reply: Reply): Buffer {
  if (!Buffer.isBuffer(reply)) {
    throw malformedReply('bytes', reply);
  }
  return reply;
}

export function asText(reply: Reply): string {
  return asBytes(reply).toString();
}

export function asInteger(reply: Reply): number {
  if (!Number.isSafeInteger(reply)) {
    throw malformedReply('an integer', reply);
  }
  return reply as number;
}

/** Returns an integer that is one of these codes. */
export function asCode<Code extends number>(reply: Reply, codes: readonly Code[]): Code {
  if (!codes.includes(reply as Code)) {
    throw malformedReply(`one of ${codes.join(', ')}`, reply);
  }
  return reply as Code;
}

/** Returns the decimal integer in the text; undefined if there is none. */
export function integerIn(text: string): number | undefined {
  // Number('') is 0.
  const number = text === '' ? Number.NaN : Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

export function isMissing(reply: Reply): reply is null | undefined {
  return reply === null || reply === undefined;
}

/** Returns the error for a reply that is not `expected`. The error names the form of the reply, but not its content. */
export function malformedReply(expected: string, reply: Reply): Error {
  return new Error(`cannot read the reply of Redis: it must be ${expected}, got ${formOf(reply)}`);
}

function formOf(reply: Reply): string {
  if (reply === undefined) {
    return 'nothing';
  }
  if (reply === null) {
    return 'nil';
  }
  if (Array.isArray(reply)) {
    return `a list of ${reply.length}`;
  }
  if (Buffer.isBuffer(reply)) {
    return `${reply.length} bytes`;
  }
  return typeof reply === 'number' ? 'a number' : 'a simple string';
}
