/**
 * The question what a bucket's sequence is, as a command, and its reply. Pure.
 *
 * A sequence is a hash: `inc`, `n`, and the ring, fields 0 to 63, where field `number % 64` holds 24 bytes:
 *
 *   offset  bytes  field
 *        0      8  number of the change
 *        8      8  hash of the key, 0 for a change of more
 *       16      8  stamp
 *
 * The cache's scripts (src/cache/scripts/common.lua) write it.
 */
import type { RedisReply } from '../redis/commands.ts';

/** So many changes have their stamps in a sequence. */
export const RING_SIZE = 64;

const ENTRY_BYTES = 24;
const STAMP_OFFSET = 16;

/** What was known when the probe was made. */
export interface BucketQuestion {
  readonly generation: number;
  /** Of `number`; undefined where neither a message nor a read has shown one. */
  readonly incarnation: string | undefined;
  /** Whose stamp is asked for. */
  readonly number: number;
  /** What the stamp must be; empty where it is not known. */
  readonly stamp: string;
  /** Numbers that reads have shown and messages have not. */
  readonly shown: readonly number[];
}

/** What the server has. */
export interface BucketAnswer {
  /** Empty, and number 0: no sequence. */
  readonly incarnation: string;
  readonly number: number;
  /** Empty where the ring has no entry for the number that was asked for. */
  readonly stampOfAsked: string;
}

export function probeCommand(sequenceKey: string, question: BucketQuestion): readonly string[] {
  return ['HMGET', sequenceKey, 'inc', 'n', String(question.number % RING_SIZE)];
}

/** Undefined where it cannot be read. */
export function decodeAnswer(reply: RedisReply, question: BucketQuestion): BucketAnswer | undefined {
  if (!Array.isArray(reply) || reply.length !== 3) {
    return undefined;
  }
  const [incarnation, numberText, entry] = reply;
  if (incarnation === null && numberText === null) {
    return { incarnation: '', number: 0, stampOfAsked: '' };
  }
  const number = Buffer.isBuffer(numberText) ? Number(numberText.toString()) : Number.NaN;
  if (!Buffer.isBuffer(incarnation) || incarnation.length === 0 || !Number.isSafeInteger(number) || number < 1) {
    return undefined;
  }
  return { incarnation: incarnation.toString('latin1'), number, stampOfAsked: stampIn(entry, question.number) };
}

function stampIn(entry: RedisReply | undefined, number: number): string {
  if (!Buffer.isBuffer(entry) || entry.length !== ENTRY_BYTES) {
    return '';
  }
  const found = entry.readUInt32BE(0) * 2 ** 32 + entry.readUInt32BE(4);
  return found === number ? entry.toString('latin1', STAMP_OFFSET) : '';
}
