/**
 * Builds the command with which a probe reads the sequence of a bucket, and decodes the reply. Pure functions. ring.ts
 * describes the layout of a sequence.
 */
import { decodeRingEntry, RING_SIZE } from './ring.ts';

/** Known position of the bucket when the probe was sent. */
export interface BucketQuestion {
  readonly generation: number;
  /** Incarnation of the sequence; undefined if neither a message nor a read has reported an incarnation. */
  readonly incarnation: string | undefined;
  /** Number of the change whose stamp the probe requests. */
  readonly number: number;
  /** Expected stamp of this change; empty if unknown. */
  readonly stamp: string;
  /** Numbers of changes that reads have reported, but messages have not yet reported. */
  readonly shown: readonly number[];
}

/** Position of the bucket on the server. */
export interface BucketAnswer {
  /** Incarnation of the sequence. If the server has no sequence, the incarnation is empty and `number` is 0. */
  readonly incarnation: string;
  readonly number: number;
  /** Stamp of the change that the probe requested; empty if the ring has no entry for this change. */
  readonly stampOfAsked: string;
}

export function probeCommand(sequenceKey: string, question: BucketQuestion): readonly string[] {
  return ['HMGET', sequenceKey, 'inc', 'n', String(question.number % RING_SIZE)];
}

/** Decodes the reply of a probe, or returns undefined if the reply is malformed. */
export function decodeAnswer(reply: unknown, question: BucketQuestion): BucketAnswer | undefined {
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

function stampIn(bytes: unknown, number: number): string {
  const entry = decodeRingEntry(bytes);
  return entry?.number === number ? entry.stamp : '';
}
