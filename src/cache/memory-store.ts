/**
 * Stores cache entries in the memory of this process. The sidecar uses this store by default, without Redis.
 *
 * The data model is the same as that of the Redis store: entries, a sequence per bucket and a version per tag. The
 * store may evict any entry, sequence or version to stay within its bounds, because the store treats an entry whose
 * sequence or tag is missing as a miss. So the store needs no list of the entries of a namespace or a tag, and the cost
 * of a flush does not depend on the number of entries.
 *
 * Invariants:
 *   1. The store satisfies the invariants of store.ts.
 *   2. The store never exceeds its maximum number of entries and bytes. It evicts expired entries first, then the least
 *      recently used ones.
 */
import { randomBytes } from 'node:crypto';
import { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { ExpirySweeper } from '../lib/expiry-sweeper.ts';
import { BUCKET_COUNT, bucketOf } from '../lib/key-hash.ts';
import { bufferBytes, stringBytes } from '../lib/memory-size.ts';
import { StoreError } from '../lib/store-error.ts';
import type { BucketMark } from '../near/bucket-mark.ts';
import { encodeInvalidationMessage, type InvalidationMessage } from '../near/invalidation-message.ts';
import { type LocalChannels, localChannelNames } from '../near/local-channels.ts';
import { copyBytes, encodeVersion, STAMP_BYTES } from './model.ts';
import {
  budgetBytesOf,
  type CacheStore,
  type CacheWrite,
  type ReadManyOptions,
  type ReadManyResult,
  type StoredValue,
  type WriteOutcome,
} from './store.ts';

export interface MemoryCacheStoreOptions {
  readonly clock: Clock;
  /** Channels on which the store publishes invalidations. */
  readonly channels: LocalChannels;
  readonly maxEntries: number;
  readonly maxBytes: number;
}

interface MemoryEntry {
  readonly namespace: NamespaceState;
  /** Number of the write. The store numbers the writes of all namespaces in one sequence. */
  readonly stamp: number;
  readonly absent: boolean;
  readonly value: Buffer;
  /** Unix time of the write, which is a part of the entry's version. */
  readonly writtenAtMs: number;
  readonly tags: readonly string[];
  readonly tagVersions: readonly number[];
  /** Monotonic time of the write, from which the store measures age and TTL. */
  readonly createdAtMs: number;
  readonly ttlMs: number;
}

/** State of a namespace. A Redis store keeps this state in the `cache-seq` keys of the namespace's buckets. */
interface NamespaceState {
  readonly incarnation: Buffer;
  flushedAtStamp: number;
  /** Number of the last change of each bucket; the buckets for keys precede the buckets for tags. */
  readonly sequences: Float64Array;
}

interface Bucket {
  readonly bucket: number;
  readonly isTag: boolean;
}

/** Content of a message without its position in the sequence. */
type Change = Pick<InvalidationMessage, 'kind' | 'names' | 'version'>;

/**
 * Maximum number of namespaces that the store remembers. The state of each namespace uses 1 KiB, which `bytes` does not
 * include.
 */
const MAX_NAMESPACES = 1_024;
/** Measured memory of an entry's objects, rounded up, without its value and the bytes that BoundedMap adds. */
const ENTRY_BYTES = 250;
/** Memory of a tag's version and expiry. */
const TAG_VERSION_BYTES = 64;
/** Memory of the two array slots in which an entry stores a tag and its version. */
const TAG_SLOTS_BYTES = 16;
/** Time by which the version of a tag outlives the entries that have the tag. */
const TAG_MARGIN_MS = 60_000;
/** Fraction of the maximum bytes that the store reserves for tags. */
const INDEX_SHARE = 0.1;

export class MemoryCacheStore implements CacheStore {
  readonly #clock: Clock;
  readonly #channels: LocalChannels;
  readonly #entries: BoundedMap<MemoryEntry>;
  readonly #tags: BoundedMap<{ version: number; expiresAtMs: number }>;
  readonly #namespaces: BoundedMap<NamespaceState>;
  readonly #sweeper: ExpirySweeper;
  #stamp = 0;

  constructor(options: MemoryCacheStoreOptions) {
    this.#clock = options.clock;
    this.#channels = options.channels;
    const indexBytes = Math.max(1, Math.floor(options.maxBytes * INDEX_SHARE));
    this.#sweeper = new ExpirySweeper(() => options.clock.monotonicMs());
    this.#entries = this.#sweeper.createMap({
      maxEntries: options.maxEntries,
      maxBytes: Math.max(1, options.maxBytes - indexBytes),
    });
    this.#tags = this.#sweeper.createMap({ maxEntries: options.maxEntries, maxBytes: indexBytes });
    this.#namespaces = new BoundedMap({ maxEntries: MAX_NAMESPACES, maxBytes: Number.MAX_SAFE_INTEGER });
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#entries.bytes + this.#tags.bytes;
  }

  close(): void {
    this.#sweeper.close();
  }

  read(namespace: string, key: Buffer, _deadlineAtMs: number): StoredValue | undefined {
    const entry = this.#find(entryName(namespace, key), namespace);
    if (entry === undefined) {
      return undefined;
    }
    const ageMs = Math.floor(this.#clock.monotonicMs() - entry.createdAtMs);
    return {
      absent: entry.absent,
      value: entry.value,
      version: versionOf(entry),
      tags: entry.tags,
      ageMs,
      ttlMs: Math.max(1, entry.ttlMs - ageMs),
      mark: markOf(entry.namespace, bucketOf(key)),
    };
  }

  readMany(namespace: string, keys: readonly Buffer[], options: ReadManyOptions): ReadManyResult[] {
    let leftBytes = options.budgetBytes;
    return keys.map((key) => {
      const entry = this.read(namespace, key, options.deadlineAtMs);
      if (entry === undefined) {
        return { outcome: 'miss' };
      }
      const bytes = budgetBytesOf(entry);
      if (bytes > leftBytes) {
        return { outcome: 'skipped' };
      }
      leftBytes -= bytes;
      return { outcome: 'hit', entry };
    });
  }

  write(write: CacheWrite, _deadlineAtMs: number): WriteOutcome {
    const name = entryName(write.namespace, write.key);
    if (!this.#holds(write, name)) {
      return { stored: false };
    }
    const nowMs = this.#clock.monotonicMs();
    const namespace = this.#namespaceState(write.namespace);
    this.#stamp += 1;
    const entry: MemoryEntry = {
      namespace,
      stamp: this.#stamp,
      absent: write.absent,
      value: copyBytes(write.value),
      writtenAtMs: this.#clock.nowMs(),
      tags: write.tags,
      tagVersions: write.tags.map((tag) => this.#ensureTag(write.namespace, tag, nowMs + write.ttlMs + TAG_MARGIN_MS)),
      createdAtMs: nowMs,
      ttlMs: write.ttlMs,
    };
    const isKept = this.#entries.set(name, entry, {
      bytes: ENTRY_BYTES + bufferBytes(write.value.length) + tagBytes(write.tags),
      expiresAtMs: nowMs + write.ttlMs,
      nowMs,
    });
    if (!isKept) {
      throw new StoreError('full', 'cannot store the value: it does not fit the memory store');
    }
    const version = versionOf(entry);
    const names = [write.key.toString('latin1')];
    const bucket = { bucket: bucketOf(write.key), isTag: false };
    this.#publish(write.namespace, bucket, { kind: 'names', names, version: version.toString('latin1') });
    return { stored: true, version };
  }

  remove(namespace: string, keys: readonly Buffer[], _deadlineAtMs: number): number {
    let removed = 0;
    for (const key of keys) {
      const name = entryName(namespace, key);
      const entry = this.#find(name, namespace);
      if (entry !== undefined && !entry.absent) {
        removed += 1;
      }
      this.#entries.delete(name);
    }
    this.#publishKeys(namespace, keys);
    return removed;
  }

  removeTags(namespace: string, tags: readonly string[], _deadlineAtMs: number): void {
    for (const tag of tags) {
      this.#tags.delete(`${namespace}:${tag}`);
      const bucket = { bucket: bucketOf(tag), isTag: true };
      this.#publish(namespace, bucket, { kind: 'names', names: [Buffer.from(tag).toString('latin1')] });
    }
  }

  flush(namespace: string, _deadlineAtMs: number): void {
    this.#stamp += 1;
    // A namespace that the store does not remember has no entries. Adding the namespace now could evict another
    // namespace.
    const state = this.#namespaces.get(namespace, this.#clock.monotonicMs());
    if (state !== undefined) {
      state.flushedAtStamp = this.#stamp;
    }
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket += 1) {
      this.#publish(namespace, { bucket, isTag: false }, { kind: 'flush', names: [] });
    }
  }

  #find(name: string, namespace: string): MemoryEntry | undefined {
    const nowMs = this.#clock.monotonicMs();
    const entry = this.#entries.get(name, nowMs);
    if (entry === undefined) {
      return undefined;
    }
    // This lookup marks the namespace as recently used. So the store evicts the namespaces without recent reads first.
    const state = this.#namespaces.get(namespace, nowMs);
    const isOfState = state === entry.namespace && entry.stamp > entry.namespace.flushedAtStamp;
    if (isOfState && this.#tagsAreCurrent(entry, namespace, nowMs)) {
      return entry;
    }
    this.#entries.delete(name);
    return undefined;
  }

  #tagsAreCurrent(entry: MemoryEntry, namespace: string, nowMs: number): boolean {
    return entry.tags.every(
      (tag, index) => this.#tags.get(`${namespace}:${tag}`, nowMs)?.version === entry.tagVersions[index],
    );
  }

  #holds(write: CacheWrite, name: string): boolean {
    if (write.condition.kind === 'none') {
      return true;
    }
    const entry = this.#find(name, write.namespace);
    if (write.condition.kind === 'if_absent') {
      return entry === undefined || entry.absent;
    }
    return entry !== undefined && versionOf(entry).equals(write.condition.version);
  }

  #namespaceState(namespace: string): NamespaceState {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#namespaces.get(namespace, nowMs);
    if (known !== undefined) {
      return known;
    }
    const state: NamespaceState = {
      incarnation: randomBytes(STAMP_BYTES),
      flushedAtStamp: 0,
      sequences: new Float64Array(2 * BUCKET_COUNT),
    };
    this.#namespaces.set(namespace, state, { bytes: 0, expiresAtMs: Number.POSITIVE_INFINITY, nowMs });
    return state;
  }

  /**
   * Returns the version of the tag, and creates a version if the tag has none. The version expires at `untilMs` or
   * later.
   */
  #ensureTag(namespace: string, tag: string, untilMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    const name = `${namespace}:${tag}`;
    const known = this.#tags.get(name, nowMs);
    if (known !== undefined && known.expiresAtMs >= untilMs) {
      return known.version;
    }
    this.#stamp += 1;
    const version = known?.version ?? this.#stamp;
    this.#tags.set(name, { version, expiresAtMs: untilMs }, { bytes: TAG_VERSION_BYTES, expiresAtMs: untilMs, nowMs });
    return version;
  }

  #publishKeys(namespace: string, keys: readonly Buffer[]): void {
    const byBucket = new Map<number, string[]>();
    for (const key of keys) {
      const bucket = bucketOf(key);
      const names = byBucket.get(bucket);
      if (names === undefined) {
        byBucket.set(bucket, [key.toString('latin1')]);
      } else {
        names.push(key.toString('latin1'));
      }
    }
    for (const [bucket, names] of byBucket) {
      this.#publish(namespace, { bucket, isTag: false }, { kind: 'names', names });
    }
  }

  /**
   * Assigns the next number of the bucket to the change and publishes the change. Does nothing for a namespace that the
   * store does not remember and that has no listeners: such a namespace has no entries, so no reader needs the number.
   */
  #publish(namespace: string, { bucket, isTag }: Bucket, change: Change): void {
    const { cacheTagChannel, cacheChannel } = localChannelNames;
    const channel = isTag ? cacheTagChannel(namespace, bucket) : cacheChannel(namespace, bucket);
    const hasListener = this.#channels.hasListener(channel);
    const state = hasListener
      ? this.#namespaceState(namespace)
      : this.#namespaces.get(namespace, this.#clock.monotonicMs());
    if (state === undefined) {
      return;
    }
    const index = isTag ? BUCKET_COUNT + bucket : bucket;
    state.sequences[index] = (state.sequences[index] ?? 0) + 1;
    if (hasListener) {
      const { incarnation, number: sequence, stamp } = markOf(state, index);
      this.#channels.publish(channel, encodeInvalidationMessage({ ...change, incarnation, sequence, stamp }));
    }
  }
}

/** Builds the version on demand, because a stored Buffer would use a third of the memory of a small entry. */
function versionOf({ namespace, stamp, writtenAtMs }: MemoryEntry): Buffer {
  return encodeVersion(namespace.incarnation, stamp, writtenAtMs);
}

function markOf(state: NamespaceState, index: number): BucketMark {
  const number = state.sequences[index] ?? 0;
  // Within one process, the number of a change never repeats, so this number also serves as the stamp.
  const stamp = number === 0 ? '' : String(number).padStart(STAMP_BYTES).slice(-STAMP_BYTES);
  return { incarnation: state.incarnation.toString('latin1'), number, stamp };
}

/** Returns a unique name for any key: latin1 maps each byte to one character, and a namespace contains no colon. */
function entryName(namespace: string, key: Buffer): string {
  return `${namespace}:${key.toString('latin1')}`;
}

function tagBytes(tags: readonly string[]): number {
  return tags.reduce((sum, tag) => sum + stringBytes(tag) + TAG_SLOTS_BYTES, 0);
}
