/**
 * The cache's store in Redis: one script per step, its atomicity and its message in it.
 *
 * An entry, its bucket's sequence and its bucket's channel share a slot; tags lie in slots of their own. So a read is one round
 * trip and, for an entry with tags, a second one for their versions; a write with tags is one for the versions, then the
 * write. What this cannot do in one step is done in the order that errs towards a miss: versions are taken before the entry
 * is written, and compared after it was read.
 *
 * Promises: those of store.ts. No key, value or tag is in an error text.
 */
import { randomBytes } from 'node:crypto';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import { encodeNames } from '../near/invalidation-message.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import { BUCKET_COUNT, bucketOf, type Keyspace } from '../redis/keyspace.ts';
import { loadScript, type Script, type ScriptKind } from '../redis/script.ts';
import { decodeEntry, ENTRY_FLAG_ABSENT, type Entry, encodeTagBlock, INCARNATION_BYTES } from './entry.ts';
import { RedisTags } from './redis-tags.ts';
import {
  budgetBytesOf,
  type CacheStore,
  type CacheWrite,
  type ReadManyOptions,
  type ReadManyResult,
  type StoredValue,
  type WriteOutcome,
} from './store.ts';

const DIRECTORY = 'src/cache/scripts';

function script(name: string, kind: ScriptKind): Script {
  return loadScript(`cache-${name}`, [`${DIRECTORY}/common.lua`, `${DIRECTORY}/${name}.lua`], kind);
}

/** In the first round of a `readMany` larger entries only tell their size, so that a call cannot fetch what it may not answer. */
const READ_MANY_ENTRY_BYTES_MAX = 65_536;
/** An entry's tags are judged this often for one conditional write, should others write in between each time. */
const JUDGEMENTS_MAX = 4;

type FirstRound =
  | { readonly kind: 'value'; readonly entry: Entry; readonly value: StoredValue }
  | { readonly kind: 'large'; readonly bytes: number }
  | { readonly kind: 'miss' }
  | { readonly kind: 'failed' };

export interface RedisCacheStoreOptions {
  readonly commands: RedisCommands;
  readonly keyspace: Keyspace;
}

export class RedisCacheStore implements CacheStore {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #tags: RedisTags;
  readonly #readScript = script('read', 'read');
  readonly #writeScript = script('write', 'write');
  readonly #removeScript = script('remove', 'write_in_place');
  readonly #flushScript = script('flush', 'write_in_place');

  constructor(options: RedisCacheStoreOptions) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#tags = new RedisTags({
      ...options,
      ensureScript: script('ensure-tags', 'write'),
      removeScript: script('remove-tags', 'write_in_place'),
    });
  }

  async read(namespace: string, key: Buffer, deadlineAtMs: number): Promise<StoredValue | undefined> {
    const first = await this.#readEntry(namespace, key, { maxBytes: '', deadlineAtMs });
    if (first.kind !== 'value') {
      return undefined;
    }
    const isCurrent = await this.#tags.areCurrent(namespace, first.entry.tags, deadlineAtMs);
    return isCurrent ? first.value : undefined;
  }

  async readMany(namespace: string, keys: readonly Buffer[], options: ReadManyOptions): Promise<ReadManyResult[]> {
    const maxBytes = String(READ_MANY_ENTRY_BYTES_MAX);
    const settle = (key: Buffer, entryBytesMax: string) =>
      this.#readEntry(namespace, key, { maxBytes: entryBytesMax, deadlineAtMs: options.deadlineAtMs }).catch(toFailure);
    const rounds = await Promise.all(keys.map((key) => settle(key, maxBytes)));
    const skipped = new Set<number>();
    let leftBytes = options.budgetBytes;
    for (const [index, round] of rounds.entries()) {
      const bytes = bytesOf(round);
      if (bytes > leftBytes) {
        skipped.add(index);
      } else {
        leftBytes -= bytes;
      }
    }
    // What is large and fits the budget is fetched now; the budget bounds how much that is.
    await Promise.all(
      rounds.map(async (round, index) => {
        const key = keys[index];
        if (round.kind === 'large' && !skipped.has(index) && key !== undefined) {
          const second = await settle(key, String(round.bytes));
          // Grown in between: beyond what was reckoned with.
          rounds[index] = second;
          if (second.kind === 'large') {
            skipped.add(index);
          }
        }
      }),
    );
    return await this.#judgeMany(namespace, rounds, skipped, options.deadlineAtMs);
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
    const wantedVersion = write.condition.kind === 'if_version' ? write.condition.version : '';
    const fixed = [
      write.value,
      String(ttlMs),
      write.absent ? String(ENTRY_FLAG_ABSENT) : '0',
      encodeTagBlock(tags),
      freshIncarnation(),
      encodeNames([key]),
      condition,
      wantedVersion,
    ];
    let judged: readonly [Buffer | string, string] = ['', ''];
    for (let round = 0; round < JUDGEMENTS_MAX; round += 1) {
      const reply = await this.#commands.run(this.#writeScript, keys, [...fixed, ...judged], deadlineAtMs);
      const [verdict, detail] = asArray(reply);
      if (verdict === 1) {
        return { stored: true, version: asBuffer(detail) };
      }
      if (verdict !== 2) {
        return { stored: false };
      }
      const standing = decodeEntry(asBuffer(detail));
      if (standing === undefined) {
        throw new StoreError('forbidden', 'a cache entry has a header that cannot be read');
      }
      const isCurrent = await this.#tags.areCurrent(namespace, standing.tags, deadlineAtMs);
      judged = [standing.version, isCurrent ? '1' : '0'];
    }
    // Others wrote the key each time in between: it has a value, and not the one that was asked for.
    return { stored: false };
  }

  async remove(namespace: string, keys: readonly Buffer[], deadlineAtMs: number): Promise<number> {
    const byBucket = Map.groupBy(keys, (key) => bucketOf(key));
    const counts = await settleAll(
      [...byBucket].map(([bucket, members]) =>
        this.#commands.run(
          this.#removeScript,
          [
            this.#keyspace.cacheSequence(namespace, bucket),
            this.#keyspace.cacheChannel(namespace, bucket),
            ...members.map((key) => this.#keyspace.cacheEntry(namespace, bucket, key)),
          ],
          [freshIncarnation(), encodeNames(members)],
          deadlineAtMs,
        ),
      ),
    );
    return counts.reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0);
  }

  async removeTags(namespace: string, tags: readonly string[], deadlineAtMs: number): Promise<void> {
    await settleAll(this.#tags.remove(namespace, tags, deadlineAtMs));
  }

  async flush(namespace: string, deadlineAtMs: number): Promise<void> {
    const buckets = Array.from({ length: BUCKET_COUNT }, (_, bucket) => bucket);
    await settleAll(
      buckets.map((bucket) =>
        this.#commands.run(
          this.#flushScript,
          [this.#keyspace.cacheSequence(namespace, bucket), this.#keyspace.cacheChannel(namespace, bucket)],
          [freshIncarnation()],
          deadlineAtMs,
        ),
      ),
    );
  }

  async #readEntry(
    namespace: string,
    key: Buffer,
    options: { maxBytes: string; deadlineAtMs: number },
  ): Promise<FirstRound> {
    const bucket = bucketOf(key);
    const keys = [this.#keyspace.cacheEntry(namespace, bucket, key), this.#keyspace.cacheSequence(namespace, bucket)];
    const reply = await this.#commands.run(this.#readScript, keys, [options.maxBytes], options.deadlineAtMs);
    if (reply === null) {
      return { kind: 'miss' };
    }
    if (typeof reply === 'number') {
      return { kind: 'large', bytes: reply };
    }
    const [bytes, pttlMs, nowMs] = asArray(reply);
    const entry = decodeEntry(asBuffer(bytes));
    if (entry === undefined || typeof pttlMs !== 'number' || typeof nowMs !== 'number') {
      return { kind: 'miss' };
    }
    const value = toStoredValue(entry, pttlMs, nowMs);
    return value === undefined ? { kind: 'miss' } : { kind: 'value', entry, value };
  }

  async #judgeMany(
    namespace: string,
    rounds: readonly FirstRound[],
    skipped: ReadonlySet<number>,
    deadlineAtMs: number,
  ): Promise<ReadManyResult[]> {
    return await Promise.all(
      rounds.map(async (round, index): Promise<ReadManyResult> => {
        if (round.kind === 'failed') {
          return { outcome: 'unavailable' };
        }
        if (round.kind === 'miss') {
          return { outcome: 'miss' };
        }
        if (round.kind === 'large' || skipped.has(index)) {
          return { outcome: 'skipped' };
        }
        try {
          const isCurrent = await this.#tags.areCurrent(namespace, round.entry.tags, deadlineAtMs);
          return isCurrent ? { outcome: 'hit', entry: round.value } : { outcome: 'miss' };
        } catch (error) {
          toFailure(error);
          return { outcome: 'unavailable' };
        }
      }),
    );
  }
}

/** Ages and lives by the server's clock, which wrote the time into the entry; the shorter of what it and Redis say is left. */
function toStoredValue(entry: Entry, pttlMs: number, nowMs: number): StoredValue | undefined {
  const ageMs = Math.max(0, nowMs - entry.createdAtMs);
  const leftMs = pttlMs < 0 ? entry.ttlMs - ageMs : Math.min(pttlMs, entry.ttlMs - ageMs);
  if (leftMs < 1) {
    return undefined;
  }
  const tags = entry.tags.map((tag) => tag.name);
  return { absent: entry.absent, value: entry.value, version: entry.version, tags, ageMs, ttlMs: leftMs };
}

/** What a result of the first round takes of the budget. */
function bytesOf(round: FirstRound): number {
  if (round.kind === 'value') {
    return budgetBytesOf(round.value);
  }
  return round.kind === 'large' ? round.bytes : 0;
}

function toFailure(error: unknown): FirstRound {
  if (error instanceof StoreError && !(error instanceof StoredFormatError)) {
    return { kind: 'failed' };
  }
  throw error;
}

/**
 * The results of all, once every one has ended. Of failures the one that says least about what happened is thrown: who hears
 * `unavailable` may think that nothing was done.
 */
async function settleAll(steps: readonly Promise<RedisReply>[]): Promise<RedisReply[]> {
  const results = await Promise.allSettled(steps);
  const failures = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
  if (failures.length > 0) {
    throw failures.find((error) => error instanceof StoreError && error.kind === 'unknown') ?? failures[0];
  }
  return results.filter((result) => result.status === 'fulfilled').map((result) => result.value);
}

function freshIncarnation(): Buffer {
  return randomBytes(INCARNATION_BYTES);
}

function asArray(reply: RedisReply): readonly RedisReply[] {
  if (!Array.isArray(reply)) {
    throw new StoreError('forbidden', 'a cache script answered with something else than a list');
  }
  return reply;
}

function asBuffer(reply: RedisReply | undefined): Buffer {
  if (!Buffer.isBuffer(reply)) {
    throw new StoreError('forbidden', 'a cache script answered with something else than bytes');
  }
  return reply;
}
