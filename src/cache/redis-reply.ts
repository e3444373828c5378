/**
 * Decodes the replies of the cache scripts. The scripts read.lua and read-many.lua describe the format of these
 * replies.
 *
 * Invariants:
 *   1. The decoder returns undefined, which is a miss, for an entry that it cannot decode and for an entry that has
 *      expired by the server's clock.
 *   2. For a malformed reply, the decoder throws a plain Error (redis/script-reply.ts).
 */
import type { BucketMark } from '../near/bucket-mark.ts';
import { decodeRingEntry } from '../near/ring.ts';
import type { RedisReply } from '../redis/commands.ts';
import { asBytes, asInteger, asList } from '../redis/script-reply.ts';
import { decodeEntry, type Entry, STAMP_BYTES, type TagMemo } from './model.ts';
import type { StoredValue } from './store.ts';

/**
 * Number of reply items before the entries: server time, number of the last change, and incarnation with ring entry.
 */
const HEAD_ITEMS = 3;

/** Entries of one bucket, read by one run of a script. */
export interface BucketRead {
  readonly nowMs: number;
  readonly mark: BucketMark;
  /**
   * Item of each entry, in the order of the script's keys: the bytes of the entry, its length if the entry is too
   * large, or null for a miss.
   */
  readonly items: readonly RedisReply[];
}

/** Decoded entry together with the value that callers receive. */
export interface ReadEntry {
  readonly entry: Entry;
  readonly value: StoredValue;
}

/**
 * Decodes a reply with `count` requested entries. Returns undefined if the bucket has no sequence, and therefore no
 * valid entry.
 */
export function toBucketRead(reply: RedisReply, count: number): BucketRead | undefined {
  if (reply === null) {
    return undefined;
  }
  const [nowMs, number, head, ...items] = asList(reply, HEAD_ITEMS + count);
  return { nowMs: asInteger(nowMs), mark: toMark(asInteger(number), asBytes(head)), items };
}

/**
 * Decodes an entry, or returns undefined for a miss. The function computes the age and the remaining TTL with the
 * server's clock, because the server also wrote the time in the entry.
 */
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

/**
 * Decodes a position. `head` is the incarnation, followed by the ring entry of change `number` if the ring contains
 * that entry.
 */
function toMark(number: number, head: Buffer): BucketMark {
  const entry = decodeRingEntry(head.subarray(STAMP_BYTES));
  return {
    incarnation: head.toString('latin1', 0, STAMP_BYTES),
    number,
    stamp: entry?.number === number ? entry.stamp : '',
  };
}
