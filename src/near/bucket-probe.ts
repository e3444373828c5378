/**
 * The question what a bucket's sequence is, as a command, and its reply. Pure. ring.ts has the layout of a sequence.
 */
import { decodeRingEntry, RING_SIZE } from './ring.ts';

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
