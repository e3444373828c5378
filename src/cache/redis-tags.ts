/**
 * Manages tags in Redis. Each tag is one Redis key, whose value is a random version. The first write with the tag
 * creates this key, and an invalidation of the tag deletes the key.
 *
 * An entry contains the versions that its tags had before the write of the entry. The entry is invalid if one of its
 * tags is missing or now has a different version. Versions are random and never repeat, so an invalid entry never
 * becomes valid again, in whatever order writes, invalidations and evictions happen.
 *
 * Invariant: `ensure`, `areCurrent` and `judgeOf` report an unknown outcome as `unavailable`, because callers can
 * safely repeat these methods. The exception is a missing permission, for which a retry does not help.
 */
import { randomBytes } from 'node:crypto';
import { bucketOf, keyHash } from '../lib/key-hash.ts';
import { harmless, ofIdempotentStep, StoreError } from '../lib/store-error.ts';
import { encodeNames } from '../near/invalidation-message.ts';
import { EVERY_KEY_HASH } from '../near/ring.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import type { Script } from '../redis/lua-script.ts';
import { asBytes, asList, malformedReply } from '../redis/script-reply.ts';
import { type Entry, type EntryTag, STAMP_BYTES, TAG_VERSION_BYTES } from './model.ts';
import { TagLookups, type TagVersion } from './tag-lookups.ts';

/**
 * Time by which a tag outlives an entry. The store writes the entry after the tag, possibly as late as the deadline of
 * the call allows.
 */
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
  readonly #lookups: TagLookups;

  constructor(options: RedisTagsOptions) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#ensureScript = options.ensureScript;
    this.#removeScript = options.removeScript;
    this.#lookups = new TagLookups(options);
  }

  /** Returns the tags with their versions and creates missing tags. The tags outlive an entry with this TTL. */
  async ensure(
    namespace: string,
    tags: readonly string[],
    options: { ttlMs: number; deadlineAtMs: number },
  ): Promise<EntryTag[]> {
    if (tags.length === 0) {
      return [];
    }
    const tagTtlMs = String(options.ttlMs + TAG_MARGIN_MS);
    const groups = [...Map.groupBy(tags, (tag) => bucketOf(tag)).values()];
    const replies = await harmless(
      Promise.all(
        groups.map((members) =>
          this.#commands.run(
            this.#ensureScript,
            members.map((tag) => this.#keyspace.cacheTag(namespace, tag)),
            [tagTtlMs, ...members.map(() => randomBytes(TAG_VERSION_BYTES))],
            options.deadlineAtMs,
          ),
        ),
      ),
    );
    return groups.flatMap((members, index) => {
      const versions = asList(replies[index], members.length);
      return members.map((name, at) => ({ name, version: versionOf(versions[at]) }));
    });
  }

  /** Returns whether all tags still have these versions. */
  async areCurrent(namespace: string, tags: readonly EntryTag[], deadlineAtMs: number): Promise<boolean> {
    if (tags.length === 0) {
      return true;
    }
    const judge = await this.judgeOf(namespace, [{ tags }], deadlineAtMs);
    const verdict = judge(tags);
    if (verdict instanceof StoreError) {
      throw verdict;
    }
    return verdict;
  }

  /**
   * Reads each tag of these entries once, and returns a function that checks the tags of one entry. That function
   * returns whether all tags still have their versions, or a StoreError if the result depends on a tag that could not
   * be read.
   */
  async judgeOf(
    namespace: string,
    entries: readonly Pick<Entry, 'tags'>[],
    deadlineAtMs: number,
  ): Promise<(tags: readonly EntryTag[]) => boolean | StoreError> {
    // Entries that are read together often share one list of tags (TagMemo), so the code checks each list only once.
    const lists = new Set(entries.map((entry) => entry.tags));
    const names = new Set<string>();
    for (const tags of lists) {
      for (const tag of tags) {
        names.add(tag.name);
      }
    }
    if (names.size === 0) {
      return () => true;
    }
    const versions = await this.#lookups.versions(namespace, names, deadlineAtMs);
    const verdicts = new Map([...lists].map((tags) => [tags, verdictOf(tags, versions)]));
    return (tags) => verdicts.get(tags) ?? verdictOf(tags, versions);
  }

  /** Invalidates tags. Runs one script per tag bucket, all scripts concurrently. */
  remove(namespace: string, tags: readonly string[], deadlineAtMs: number): Promise<RedisReply>[] {
    return [...Map.groupBy(tags, (tag) => bucketOf(tag))].map(([bucket, members]) =>
      this.#commands.run(
        this.#removeScript,
        [
          this.#keyspace.cacheTagSequence(namespace, bucket),
          this.#keyspace.cacheTagChannel(namespace, bucket),
          ...members.map((tag) => this.#keyspace.cacheTag(namespace, tag)),
        ],
        [
          members.length === 1 ? keyHash(members[0] ?? '') : EVERY_KEY_HASH,
          randomBytes(STAMP_BYTES),
          encodeNames(members.map((tag) => Buffer.from(tag))),
        ],
        deadlineAtMs,
      ),
    );
  }
}

/**
 * Returns whether the tags have these versions, or a StoreError if the result depends on a tag that could not be read.
 */
function verdictOf(tags: readonly EntryTag[], versions: ReadonlyMap<string, TagVersion>): boolean | StoreError {
  let failure: StoreError | undefined;
  for (const tag of tags) {
    const version = versions.get(tag.name) ?? null;
    if (version instanceof StoreError) {
      failure = ofIdempotentStep(version);
    } else if (version === null || !version.equals(tag.version)) {
      return false;
    }
  }
  return failure ?? true;
}

function versionOf(reply: RedisReply | undefined): Buffer {
  const version = asBytes(reply);
  if (version.length !== TAG_VERSION_BYTES) {
    // No reader could decode an entry that contains a version of another length.
    throw malformedReply(`a version of ${TAG_VERSION_BYTES} bytes`, version);
  }
  return version;
}
