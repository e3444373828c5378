/**
 * The store of the cache: a contract in domain verbs. memory-store.ts and redis-store.ts keep it, and one suite
 * (test/support/cache/store-contract.ts) says whether they do.
 *
 * Promises of every store:
 *   1. `read` answers with the last write of the key, or undefined once that has expired, was removed, flushed, or one of its
 *      tags was removed after the write began. What a store forgets of its own accord (room, eviction of a sequence or a
 *      tag) makes entries miss, never come back.
 *   2. A write and its message to everybody's near copies are one step: the message comes after the write, or neither does.
 *      The same holds for each bucket of a `remove`, each tag of a `removeTags`, each bucket of a `flush`.
 *   3. `remove`, `removeTags` and `flush` send their message even when there was nothing to remove: somebody may hold a copy
 *      of what the store has lost.
 *   4. Nothing is stored without an end.
 *   5. A failure is a StoreError. `remove`, `removeTags` and `flush` may be repeated whole whatever its kind.
 *   6. A store may answer with a value: a promise is only for what has to wait.
 */
import type { MaybePromise } from '../lib/maybe-promise.ts';
import type { BucketMark } from '../near/bucket-mark.ts';

export interface StoredValue {
  /** Known not to exist; the value is empty. */
  readonly absent: boolean;
  readonly value: Buffer;
  readonly version: Buffer;
  readonly tags: readonly string[];
  /** Since the write, by the store's clock. */
  readonly ageMs: number;
  /** What is left, by the store's clock; at least 1. */
  readonly ttlMs: number;
  /** Position of the key's bucket when the value was read. */
  readonly mark: BucketMark;
}

export type WriteCondition =
  | { readonly kind: 'none' }
  /** Only if there is no value; an absent entry is none. */
  | { readonly kind: 'if_absent' }
  /** Only if the entry still has this version. */
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
  /** It would not have fitted the budget. */
  | { readonly outcome: 'skipped' }
  | { readonly outcome: 'unavailable' };

export interface ReadManyOptions {
  readonly deadlineAtMs: number;
  /** Values and tags of all hits together; in the order of the keys, what does not fit is skipped. */
  readonly budgetBytes: number;
}

export interface CacheStore {
  read(namespace: string, key: Buffer, deadlineAtMs: number): MaybePromise<StoredValue | undefined>;
  /** One result per key, in their order. A StoreError is a result, except a StoredFormatError, which rejects. */
  readMany(namespace: string, keys: readonly Buffer[], options: ReadManyOptions): MaybePromise<ReadManyResult[]>;
  write(write: CacheWrite, deadlineAtMs: number): MaybePromise<WriteOutcome>;
  /**
   * How many of the keys had a value. One whose tag was removed before may still count: its tags lie elsewhere, and
   * looking them up would cost more than the number is worth.
   */
  remove(namespace: string, keys: readonly Buffer[], deadlineAtMs: number): MaybePromise<number>;
  removeTags(namespace: string, tags: readonly string[], deadlineAtMs: number): MaybePromise<void>;
  flush(namespace: string, deadlineAtMs: number): MaybePromise<void>;
}

/** What a result takes of a budget: its bytes and what a message adds to them. */
export function budgetBytesOf(entry: Pick<StoredValue, 'value' | 'tags'>): number {
  let bytes = entry.value.length + RESULT_OVERHEAD_BYTES;
  for (const tag of entry.tags) {
    bytes += tag.length * 3 + 2;
  }
  return bytes;
}

/** Version, numbers, field headers of one result. */
const RESULT_OVERHEAD_BYTES = 80;
