/**
 * Stores cache entries in Redis. Each change runs as one script, which also publishes the message of the change.
 *
 * An entry, the sequence of its bucket and the channel of its bucket share a Cluster slot, but tags are in other slots.
 * So a read needs one round trip for the entry and a second round trip for the versions of its tags. A write with tags
 * reads their versions first and writes the entry afterwards. With this order, every race with an invalidation results
 * in a miss, because a read compares the versions after it has read the entry.
 *
 * Invariants:
 *   1. The store satisfies the invariants of store.ts.
 *   2. An error text never contains a key, a value or a tag.
 */
import { randomBytes } from 'node:crypto';
import { BUCKET_COUNT, bucketOf, keyHash } from '../lib/key-hash.ts';
import { StoreError, settleAll } from '../lib/store-error.ts';
import { encodeNames } from '../near/invalidation-message.ts';
import { EVERY_KEY_HASH } from '../near/ring.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { type KeyType, loadScript, type Script, type ScriptKind } from '../redis/lua-script.ts';
import { asBytes, asCode, asInteger, asList } from '../redis/script-reply.ts';
import { decodeEntry, encodeEntryRest, encodeEntryStart, STAMP_BYTES, versionIn } from './model.ts';
import { MAX_FIRST_ENTRY_BYTES, RedisManyReader } from './redis-read-many.ts';
import { toBucketRead, toReadEntry } from './redis-reply.ts';
import { RedisTags } from './redis-tags.ts';
import type { CacheStore, CacheWrite, ReadManyOptions, ReadManyResult, StoredValue, WriteOutcome } from './store.ts';

const DIRECTORY = 'src/cache/scripts';

/**
 * Maximum size of an entry that a read fetches in one round trip, as a script argument. For a larger entry, the script
 * first returns only the size, because many large replies at once would exhaust the memory of the pod.
 */
const SMALL_ENTRY = [String(MAX_FIRST_ENTRY_BYTES)];
/**
 * Maximum number of reads of a large entry. The store must repeat a read if another client has just written a larger
 * value.
 */
const MAX_LARGE_READS = 3;

function script(name: string, kind: ScriptKind, keyTypes: readonly KeyType[]): Script {
  const paths = ['entry-common', 'change-common', name].map((file) => `${DIRECTORY}/${file}.lua`);
  return loadScript(`cache-${name}`, paths, kind, { keyTypes });
}

/**
 * Maximum number of attempts for a conditional write that must compare tags. Each concurrent write by another client
 * can make only one attempt fail.
 */
const MAX_JUDGEMENTS = 4;

export interface RedisCacheStoreOptions {
  readonly commands: RedisCommands;
  readonly keyspace: Keyspace;
}

export class RedisCacheStore implements CacheStore {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #tags: RedisTags;
  readonly #manyReader: RedisManyReader;
  readonly #readScript = script('read', 'read', ['hash', 'string']);
  readonly #writeScript = script('write', 'write', ['string', 'hash', '']);
  readonly #removeScript = script('remove', 'write_in_place', ['hash', '', 'string']);
  readonly #flushScript = script('flush', 'write_in_place', ['hash', '']);

  constructor(options: RedisCacheStoreOptions) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#tags = new RedisTags({
      ...options,
      ensureScript: {
        ...script('ensure-tags', 'write', ['string']),
        leadsTo: { script: this.#writeScript, families: ['cache', 'cache-seq', 'cache-inv'] },
      },
      removeScript: script('remove-tags', 'write_in_place', ['hash', '', 'string']),
    });
    this.#manyReader = new RedisManyReader({
      ...options,
      tags: this.#tags,
      script: script('read-many', 'read', ['hash', 'string']),
    });
  }

  async read(namespace: string, key: Buffer, deadlineAtMs: number): Promise<StoredValue | undefined> {
    const bucket = bucketOf(key);
    const keys = [this.#keyspace.cacheSequence(namespace, bucket), this.#keyspace.cacheEntry(namespace, bucket, key)];
    let read = toBucketRead(await this.#commands.run(this.#readScript, keys, SMALL_ENTRY, deadlineAtMs), 1);
    for (let attempt = 0; typeof read?.items[0] === 'number'; attempt += 1) {
      if (attempt === MAX_LARGE_READS) {
        throw new StoreError('unavailable', 'cannot read the cached value: it grew during each read');
      }
      // The script has returned the size. The connection uses this size to limit the reply bytes in flight.
      const expectedReplyBytes = read.items[0];
      const limit = [String(expectedReplyBytes)];
      read = toBucketRead(
        await this.#commands.run(this.#readScript, keys, limit, deadlineAtMs, { expectedReplyBytes }),
        1,
      );
    }
    const found = read === undefined ? undefined : toReadEntry(read, read.items[0]);
    if (found === undefined) {
      return undefined;
    }
    const isCurrent = await this.#tags.areCurrent(namespace, found.entry.tags, deadlineAtMs);
    return isCurrent ? found.value : undefined;
  }

  readMany(namespace: string, keys: readonly Buffer[], options: ReadManyOptions): Promise<ReadManyResult[]> {
    return this.#manyReader.read(namespace, keys, options);
  }

  async write(write: CacheWrite, deadlineAtMs: number): Promise<WriteOutcome> {
    const { namespace, key, ttlMs } = write;
    const bucket = bucketOf(key);
    const tags = await this.#tags.ensure(namespace, write.tags, { ttlMs, deadlineAtMs });
    const keys = [
      this.#keyspace.cacheEntry(namespace, bucket, key),
      this.#keyspace.cacheSequence(namespace, bucket),
      this.#keyspace.cacheChannel(namespace, bucket),
    ];
    const condition = write.condition.kind === 'none' ? '' : write.condition.kind;
    const expectedVersion = write.condition.kind === 'if_version' ? write.condition.version : '';
    const fixed = [
      encodeEntryStart(write.absent),
      encodeEntryRest({ ttlMs, staleMs: 0, loadMs: 0, tags }),
      write.value,
      String(ttlMs),
      keyHash(key),
      randomBytes(STAMP_BYTES),
      encodeNames([key]),
      condition,
      expectedVersion,
    ];
    let judged: readonly [Buffer | string, string] = ['', ''];
    for (let round = 0; round < MAX_JUDGEMENTS; round += 1) {
      const reply = await this.#commands.run(this.#writeScript, keys, [...fixed, ...judged], deadlineAtMs);
      const [verdictReply, detail] = asList(reply, 1);
      const verdict = asCode(verdictReply, [0, 1, 2]);
      if (verdict === 1) {
        return { stored: true, version: asBytes(detail) };
      }
      if (verdict === 0) {
        return { stored: false };
      }
      const header = asBytes(detail);
      const existing = decodeEntry(header);
      // The store treats an entry whose tags cannot be decoded as a miss, as in a read.
      const isCurrent = existing !== undefined && (await this.#tags.areCurrent(namespace, existing.tags, deadlineAtMs));
      judged = [versionIn(header), isCurrent ? '1' : '0'];
    }
    // Another client wrote the key before each attempt, so the key has a value and neither condition holds.
    return { stored: false };
  }

  async remove(namespace: string, keys: readonly Buffer[], deadlineAtMs: number): Promise<number> {
    const byBucket = Map.groupBy(keys, (key) => bucketOf(key));
    return await sumOfAll(
      [...byBucket].map(([bucket, members]) =>
        this.#commands.run(
          this.#removeScript,
          [
            this.#keyspace.cacheSequence(namespace, bucket),
            this.#keyspace.cacheChannel(namespace, bucket),
            ...members.map((key) => this.#keyspace.cacheEntry(namespace, bucket, key)),
          ],
          [hashOf(members), randomBytes(STAMP_BYTES), encodeNames(members)],
          deadlineAtMs,
        ),
      ),
    );
  }

  async removeTags(namespace: string, tags: readonly string[], deadlineAtMs: number): Promise<void> {
    await sumOfAll(this.#tags.remove(namespace, tags, deadlineAtMs));
  }

  async flush(namespace: string, deadlineAtMs: number): Promise<void> {
    const buckets = Array.from({ length: BUCKET_COUNT }, (_, bucket) => bucket);
    await sumOfAll(
      buckets.map((bucket) =>
        this.#commands.run(
          this.#flushScript,
          [this.#keyspace.cacheSequence(namespace, bucket), this.#keyspace.cacheChannel(namespace, bucket)],
          [EVERY_KEY_HASH, randomBytes(STAMP_BYTES)],
          deadlineAtMs,
        ),
      ),
    );
  }
}

/** Waits for all steps and returns the sum of their integer replies. */
async function sumOfAll(steps: readonly Promise<RedisReply>[]): Promise<number> {
  const counts = await settleAll(steps.map((step) => step.then(asInteger)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Returns the hash that the ring stores for a change of these keys. A ring entry has only one hash, so the ring stores
 * a change of several keys as a change of every key.
 */
function hashOf(keys: readonly Buffer[]): Buffer {
  const [first] = keys;
  return keys.length === 1 && first !== undefined ? keyHash(first) : EVERY_KEY_HASH;
}
