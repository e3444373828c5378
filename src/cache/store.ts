/**
 * Contract between CacheService and its stores. The files memory-store.ts and redis-store.ts implement this contract,
 * and one suite tests both stores (test/support/cache/store-contract.ts).
 *
 * Every store has these invariants:
 *   1. `read` returns the value of the last write to the key. `read` returns undefined if the entry has expired, or if
 *      a caller has removed or flushed the entry. `read` also returns undefined if one of the entry's tags was removed
 *      after the write began.
 *   2. If a store evicts an entry, a sequence or a tag, the affected entries become misses. These entries never become
 *      valid again.
 *   3. A write and its message to the near caches are one atomic step. `remove`, `removeTags` and `flush` are atomic
 *      for each bucket, including the message.
 *   4. `remove`, `removeTags` and `flush` publish their messages even if there was nothing to remove, because a near
 *      cache may have an entry that the store has lost.
 *   5. Everything that a store creates has an expiry.
 *   6. A failure is a StoreError. `remove`, `removeTags` and `flush` are idempotent: callers may repeat them after any
 *      failure.
 *   7. A method returns a promise only if the result is not yet available. Otherwise the method returns the result
 *      itself.
 */
import type { MaybePromise } from '../lib/maybe-promise.ts';
import type { BucketMark } from '../near/bucket-mark.ts';

export interface StoredValue {
  /** Whether the entry records that the key has no value. In this case, `value` is empty. */
  readonly absent: boolean;
  readonly value: Buffer;
  readonly version: Buffer;
  readonly tags: readonly string[];
  /** Time since the write by the store's clock. */
  readonly ageMs: number;
  /** Remaining TTL by the store's clock, in ms; at least 1. */
  readonly ttlMs: number;
  /** Position of the key's bucket when the value was read. */
  readonly mark: BucketMark;
}

export type WriteCondition =
  | { readonly kind: 'none' }
  /** Stores the value only if the key has no value. The store treats an entry that is `absent` as no value. */
  | { readonly kind: 'if_absent' }
  /** Stores the value only if the entry still has this version. */
  | { readonly kind: 'if_version'; readonly version: Buffer };

export interface CacheWrite {
  readonly namespace: string;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly absent: boolean;
  readonly ttlMs: number;
  readonly tags: readonly string[];
  readonly condition: WriteCondition;
}

export type WriteOutcome = { readonly stored: true; readonly version: Buffer } | { readonly stored: false };

export type ReadManyResult =
  | { readonly outcome: 'hit'; readonly entry: StoredValue }
  | { readonly outcome: 'miss' }
  /** The entry does not fit into the remaining budget. */
  | { readonly outcome: 'skipped' }
  | { readonly outcome: 'unavailable' };

export interface ReadManyOptions {
  readonly deadlineAtMs: number;
  /**
   * Maximum bytes of the values and tags of all hits. The store processes the keys in order and skips entries that do
   * not fit.
   */
  readonly budgetBytes: number;
}

export interface CacheStore {
  read(namespace: string, key: Buffer, deadlineAtMs: number): MaybePromise<StoredValue | undefined>;
  /**
   * Returns one result per key, in order. A StoreError becomes the result of its key. Only a StoredFormatError rejects
   * the call.
   */
  readMany(namespace: string, keys: readonly Buffer[], options: ReadManyOptions): MaybePromise<ReadManyResult[]>;
  write(write: CacheWrite, deadlineAtMs: number): MaybePromise<WriteOutcome>;
  /**
   * Removes the entries of these keys, and returns how many of the keys had a value. The result may include a key whose
   * tag was removed earlier, because reading the versions of its tags would cost another round trip.
   */
  remove(namespace: string, keys: readonly Buffer[], deadlineAtMs: number): MaybePromise<number>;
  removeTags(namespace: string, tags: readonly string[], deadlineAtMs: number): MaybePromise<void>;
  flush(namespace: string, deadlineAtMs: number): MaybePromise<void>;
}

/** Returns the number of budget bytes that a result uses for its value, its tags and their encoding in a message. */
export function budgetBytesOf(entry: Pick<StoredValue, 'value' | 'tags'>): number {
  let bytes = entry.value.length + RESULT_OVERHEAD_BYTES;
  for (const tag of entry.tags) {
    bytes += tag.length * 3 + 2;
  }
  return bytes;
}

/** Encoded size of the version, the numbers and the field headers of one result. */
const RESULT_OVERHEAD_BYTES = 80;
