/**
 * Reads versions of tags. All callers in one turn of the event loop share one MGET per tag bucket.
 *
 * Invariants:
 *   1. The server reads a version only after the call of `versions`, because a caller never joins a command that was
 *      already sent. So if a caller reads an entry first and its tags afterwards, the versions reflect every
 *      invalidation before the read of the entry.
 *   2. If several callers request the same tag in one turn, the command contains the tag once.
 *   3. Callers share a command only if their deadlines differ by less than 64 ms. The command uses the earliest of
 *      these deadlines, so no caller waits beyond its own deadline.
 *   4. A command contains at most 256 tags. Another command reads the remaining tags.
 */
import { bucketOf } from '../lib/key-hash.ts';
import { StoreError } from '../lib/store-error.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { asBytes, asList } from '../redis/script-reply.ts';
import { TAG_VERSION_BYTES } from './model.ts';

/** Version of a tag; null if the tag is missing; a StoreError if the version could not be read. */
export type TagVersion = Buffer | null | StoreError;

interface Batch {
  readonly keys: string[];
  readonly indexes: Map<string, number>;
  readonly versions: PromiseWithResolvers<readonly TagVersion[]>;
  deadlineAtMs: number;
}

const SHARED_DEADLINE_MS = 64;
const MAX_BATCH_TAGS = 256;
/** Size of one version in a reply, including its RESP header. */
const VERSION_REPLY_BYTES = TAG_VERSION_BYTES + 8;

export class TagLookups {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  /** Batches that have not been sent. */
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
    // If a promise callback calls this method, the callback of nextTick runs after all pending promise callbacks. So
    // the readers whose replies arrived in one chunk share a batch.
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
