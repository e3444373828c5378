/**
 * What the cache's scripts answer, as values: read.lua, read-many.lua and write.lua name the forms.
 *
 * Invariants:
 *   1. An entry that cannot be read, or whose TTL is over by the server's clock, is undefined: a miss.
 *   2. A reply of another form throws a plain Error (redis/script-reply.ts).
 */
import type { BucketMark } from '../near/bucket-mark.ts';
import { decodeRingEntry } from '../near/ring.ts';
import type { RedisReply } from '../redis/commands.ts';
import { asBytes, asInteger, asList } from '../redis/script-reply.ts';
import { decodeEntry, type Entry, STAMP_BYTES, type TagMemo } from './model.ts';
import type { StoredValue } from './store.ts';

/** What stands before the entries: time, number and head. */
const HEAD_ITEMS = 3;

/** Entries of one bucket, read in one step. */
export interface BucketRead {
  readonly nowMs: number;
  readonly mark: BucketMark;
  /** By the keys of the script: bytes of the entry, its length where it is too large, null for a miss. */
  readonly items: readonly RedisReply[];
}

/** An entry and what callers see of it. */
export interface ReadEntry {
  readonly entry: Entry;
  readonly value: StoredValue;
}

/** Undefined where the bucket has no sequence, hence no valid entry. `count`: the entries that were asked for. */
export function toBucketRead(reply: RedisReply, count: number): BucketRead | undefined {
  if (reply === null) {
    return undefined;
  }
  const [nowMs, number, head, ...items] = asList(reply, HEAD_ITEMS + count);
  return { nowMs: asInteger(nowMs), mark: toMark(asInteger(number), asBytes(head)), items };
}

/** Undefined for a miss. Age and lifetime follow the server's clock, which wrote the time into the entry. */
export function toReadEntry(read: BucketRead, item: RedisReply | undefined, memo?: TagMemo): ReadEntry | undefined {
  const entry = item === null ? undefined : decodeEntry(asBytes(item), memo);
  if (entry === undefined) {
    return undefined;
  }
  const ageMs = Math.max(0, read.nowMs - entry.createdAtMs);
  const leftMs = entry.ttlMs - ageMs;
  if (leftMs < 1) {
    return undefined;
  }
  const { absent, value, version } = entry;
  const tags = memo?.tags === entry.tags ? memo.names : entry.tags.map((tag) => tag.name);
  return { entry, value: { absent, value, version, tags, ageMs, ttlMs: leftMs, mark: read.mark } };
}

/** `head`: the incarnation, followed by the ring's entry in the field of this number, if there is one. */
function toMark(number: number, head: Buffer): BucketMark {
  const entry = decodeRingEntry(head.subarray(STAMP_BYTES));
  return {
    incarnation: head.toString('latin1', 0, STAMP_BYTES),
    number,
    stamp: entry?.number === number ? entry.stamp : '',
  };
}
