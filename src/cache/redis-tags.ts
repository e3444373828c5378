/**
 * Tags in Redis: per tag one key with a random version, made when an entry first bears it, gone when it is invalidated.
 *
 * An entry holds the versions that its tags had before it was written, and is void once one of them has another or none. A
 * version is never made twice, so there is no way back for an entry that was void, in whatever order writes, invalidations
 * and evictions come.
 *
 * Promises: `ensure` and `areCurrent` never say `unknown`: whether a version was made or read makes no difference to anybody.
 */
import { randomBytes } from 'node:crypto';
import { StoreError } from '../lib/store-error.ts';
import { encodeNames } from '../near/invalidation-message.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import { bucketOf, type Keyspace } from '../redis/keyspace.ts';
import type { Script } from '../redis/script.ts';
import { type EntryTag, INCARNATION_BYTES, TAG_VERSION_BYTES } from './entry.ts';

/** A tag outlives the entry that is written next by this: its write may come as late as the deadline allows. */
const TAG_MARGIN_MS = 60_000;

export interface RedisTagsOptions {
  readonly commands: RedisCommands;
  readonly keyspace: Keyspace;
  readonly ensureScript: Script;
  readonly removeScript: Script;
}

export class RedisTags {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #ensureScript: Script;
  readonly #removeScript: Script;

  constructor(options: RedisTagsOptions) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#ensureScript = options.ensureScript;
    this.#removeScript = options.removeScript;
  }

  /** The tags with their versions, which outlive an entry of that TTL. */
  async ensure(
    namespace: string,
    tags: readonly string[],
    options: { ttlMs: number; deadlineAtMs: number },
  ): Promise<EntryTag[]> {
    if (tags.length === 0) {
      return [];
    }
    const lifeMs = String(options.ttlMs + TAG_MARGIN_MS);
    const groups = [...Map.groupBy(tags, (tag) => bucketOf(tag)).values()];
    const replies = await withoutUnknown(
      groups.map((members) =>
        this.#commands.run(
          this.#ensureScript,
          members.map((tag) => this.#keyspace.cacheTag(namespace, tag)),
          [lifeMs, ...members.map(() => randomBytes(TAG_VERSION_BYTES))],
          options.deadlineAtMs,
        ),
      ),
    );
    return groups.flatMap((members, index) => members.map((name, at) => toEntryTag(name, replies[index], at)));
  }

  /** Whether all of them still have these versions. */
  async areCurrent(namespace: string, tags: readonly EntryTag[], deadlineAtMs: number): Promise<boolean> {
    if (tags.length === 0) {
      return true;
    }
    const versions = await withoutUnknown(
      tags.map((tag) => {
        const key = this.#keyspace.cacheTag(namespace, tag.name);
        return this.#commands.send(key, ['GET', key], deadlineAtMs);
      }),
    );
    return tags.every((tag, index) => {
      const version = versions[index];
      return Buffer.isBuffer(version) && version.equals(tag.version);
    });
  }

  /** One step per tag bucket, all of them under way. */
  remove(namespace: string, tags: readonly string[], deadlineAtMs: number): Promise<RedisReply>[] {
    return [...Map.groupBy(tags, (tag) => bucketOf(tag))].map(([bucket, members]) =>
      this.#commands.run(
        this.#removeScript,
        [
          this.#keyspace.cacheTagSequence(namespace, bucket),
          this.#keyspace.cacheTagChannel(namespace, bucket),
          ...members.map((tag) => this.#keyspace.cacheTag(namespace, tag)),
        ],
        [randomBytes(INCARNATION_BYTES), encodeNames(members.map((tag) => Buffer.from(tag)))],
        deadlineAtMs,
      ),
    );
  }
}

async function withoutUnknown(steps: readonly Promise<RedisReply>[]): Promise<RedisReply[]> {
  try {
    return await Promise.all(steps);
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'unknown') {
      throw new StoreError('unavailable', error.message, { cause: error });
    }
    throw error;
  }
}

function toEntryTag(name: string, reply: RedisReply | undefined, index: number): EntryTag {
  const version = Array.isArray(reply) ? reply[index] : undefined;
  // A version of another form would be written into entries that nobody can read: no version is a miss, too.
  const isVersion = Buffer.isBuffer(version) && version.length === TAG_VERSION_BYTES;
  return { name, version: isVersion ? version : Buffer.alloc(TAG_VERSION_BYTES) };
}
