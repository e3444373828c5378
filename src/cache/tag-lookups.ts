/**
 * Looks up versions of tags: one MGET per tag bucket, for all callers in the same turn of the event loop.
 *
 * Invariants:
 *   1. A version is read after `versions` was called: a caller only joins a request that has not been sent. So whoever reads an entry first
 *      and its tags then sees every invalidation that came before the entry was read.
 *   2. A tag that several callers ask for in one turn is in the request once.
 *   3. No caller waits longer than its own deadline: callers share a request only if their deadlines are within 64 ms, and it has the earliest.
 *   4. At most 256 tags are in one request; the next one begins another.
 */
import { bucketOf } from '../lib/key-hash.ts';
import { StoreError } from '../lib/store-error.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { asBytes, asList } from '../redis/script-reply.ts';
import { TAG_VERSION_BYTES } from './model.ts';

/** Null: the tag has none. A StoreError: it could not be read, so its version is unknown. */
export type TagVersion = Buffer | null | StoreError;

interface Batch {
  readonly keys: string[];
  readonly indexes: Map<string, number>;
  readonly versions: PromiseWithResolvers<readonly TagVersion[]>;
  deadlineAtMs: number;
}

const SHARED_DEADLINE_MS = 64;
const MAX_BATCH_TAGS = 256;
/** Bulk string headers around a version in a reply. */
const VERSION_REPLY_BYTES = TAG_VERSION_BYTES + 8;

export class TagLookups {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  /** Requests that have not been sent. */
  readonly #batches = new Map<string, Batch>();

  constructor(options: { readonly commands: RedisCommands; readonly keyspace: Keyspace }) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
  }

  async versions(
    namespace: string,
    tags: Iterable<string>,
    deadlineAtMs: number,
  ): Promise<ReadonlyMap<string, TagVersion>> {
    const places = new Map<string, { batch: Batch; index: number }>();
    for (const tag of tags) {
      if (!places.has(tag)) {
        const batch = this.#batchOf(namespace, tag, deadlineAtMs);
        places.set(tag, { batch, index: this.#join(batch, namespace, tag, deadlineAtMs) });
      }
    }
    const replies = await Promise.all([...places.values()].map(({ batch }) => batch.versions.promise));
    return new Map(
      [...places].map(([tag, { index }], place): [string, TagVersion] => [tag, replies[place]?.[index] ?? null]),
    );
  }

  #batchOf(namespace: string, tag: string, deadlineAtMs: number): Batch {
    const name = `${namespace}:${bucketOf(tag)}:${Math.floor(deadlineAtMs / SHARED_DEADLINE_MS)}`;
    const known = this.#batches.get(name);
    if (known !== undefined && (known.keys.length < MAX_BATCH_TAGS || known.indexes.has(tag))) {
      return known;
    }
    const batch: Batch = { keys: [], indexes: new Map(), versions: Promise.withResolvers(), deadlineAtMs };
    this.#batches.set(name, batch);
    // After all that this turn resolves: the replies of one chunk of the socket make all their readers ask before it.
    process.nextTick(() => {
      if (this.#batches.get(name) === batch) {
        this.#batches.delete(name);
      }
      batch.versions.resolve(this.#send(batch));
    });
    return batch;
  }

  #join(batch: Batch, namespace: string, tag: string, deadlineAtMs: number): number {
    batch.deadlineAtMs = Math.min(batch.deadlineAtMs, deadlineAtMs);
    const known = batch.indexes.get(tag);
    if (known !== undefined) {
      return known;
    }
    const index = batch.keys.push(this.#keyspace.cacheTag(namespace, tag)) - 1;
    batch.indexes.set(tag, index);
    return index;
  }

  async #send(batch: Batch): Promise<readonly TagVersion[]> {
    const { keys, deadlineAtMs } = batch;
    let reply: RedisReply;
    try {
      reply = await this.#commands.send(keys[0] ?? '', ['MGET', ...keys], deadlineAtMs, {
        expectedReplyBytes: keys.length * VERSION_REPLY_BYTES,
      });
    } catch (error) {
      if (error instanceof StoreError) {
        return keys.map(() => error);
      }
      throw error;
    }
    return asList(reply, keys.length).map((version) => (version === null ? null : asBytes(version)));
  }
}
