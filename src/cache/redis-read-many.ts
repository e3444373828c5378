/**
 * Reads many entries from Redis in one call. The call runs one script per bucket and reads each distinct tag once.
 *
 * Round 1 fetches every entry of at most `min(64 KiB, budget / keys)`, so the round cannot fetch more than the call may
 * return. For a larger entry, round 1 fetches only the length. Round 2 fetches the larger entries that fit the
 * remaining budget. After both rounds, the call compares the tag versions in all fetched entries with the current
 * versions.
 *
 * Invariants:
 *   1. A call fetches at most about twice its budget.
 *   2. In each round, all calls of the process share one byte budget. A call reserves bytes before it sends commands,
 *      and waits for the reservation at most until its deadline. The call keeps the reservation until it returns. A
 *      call in round 1 never waits for a call in round 2.
 *   3. The outcome of an entry that cannot be read is `unavailable`. A StoredFormatError rejects the call, because an
 *      operator must act. A malformed reply also rejects the call.
 *   4. A call releases its reservations when it ends, even if it fails.
 */
import { type Clock, systemClock } from '../lib/clock.ts';
import { bucketOf } from '../lib/key-hash.ts';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import type { Script } from '../redis/lua-script.ts';
import { createTagMemo, ENTRY_HEADER_BYTES, type EntryTag, type TagMemo } from './model.ts';
import { ReadManyBudget, type Reservation } from './read-many-budget.ts';
import { type BucketRead, type ReadEntry, toBucketRead, toReadEntry } from './redis-reply.ts';
import type { RedisTags } from './redis-tags.ts';
import { budgetBytesOf, type ReadManyOptions, type ReadManyResult } from './store.ts';

type Round =
  | { readonly kind: 'entry'; readonly read: ReadEntry }
  | { readonly kind: 'large'; readonly bytes: number }
  | { readonly kind: 'miss' }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'failed' };

const MISS: Round = { kind: 'miss' };
const SKIPPED: Round = { kind: 'skipped' };
const FAILED: Round = { kind: 'failed' };

/** State of one call of `read`. */
interface Call {
  readonly namespace: string;
  readonly deadlineAtMs: number;
  /** Latest result of each key, in the order of the requested keys. */
  readonly rounds: Round[];
  readonly memo: TagMemo;
}

/** Entry to fetch, with the maximum size in bytes that the script may return. */
interface EntryFetch {
  readonly index: number;
  readonly key: Buffer;
  readonly maxBytes: number;
}

export interface RedisManyReaderOptions {
  readonly commands: RedisCommands;
  readonly keyspace: Keyspace;
  readonly tags: RedisTags;
  readonly script: Script;
  readonly clock?: Clock;
}

export const MAX_FIRST_ENTRY_BYTES = 65_536;
/**
 * Lower bound for the size limit of an entry in round 1. With this bound, the limit is enough for a header with tags
 * even if many keys share the budget.
 */
const MIN_FIRST_ENTRY_BYTES = 1_024;
/**
 * Maximum number of bytes that all calls together reserve in round 1. This number is enough for two calls with 256 keys
 * or for many small calls. Even the smallest pod has this much memory.
 */
const MAX_FIRST_ROUND_BYTES = 8 * 1_048_576;
/**
 * Maximum number of bytes that all calls together reserve in round 2. The calls reserve the known sizes of large
 * entries, so this maximum admits one call with a full budget at a time.
 */
const MAX_SECOND_ROUND_BYTES = 4 * 1_048_576;
/** Maximum number of calls that wait for a budget. Admission control admits the same number of calls. */
const MAX_WAITING_CALLS = 10_000;

export class RedisManyReader {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #tags: RedisTags;
  readonly #script: Script;
  readonly #clock: Clock;
  readonly #firstRounds = new ReadManyBudget({ maxBytes: MAX_FIRST_ROUND_BYTES, maxWaiting: MAX_WAITING_CALLS });
  readonly #secondRounds = new ReadManyBudget({ maxBytes: MAX_SECOND_ROUND_BYTES, maxWaiting: MAX_WAITING_CALLS });

  constructor(options: RedisManyReaderOptions) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#tags = options.tags;
    this.#script = options.script;
    this.#clock = options.clock ?? systemClock;
  }

  async read(namespace: string, keys: readonly Buffer[], options: ReadManyOptions): Promise<ReadManyResult[]> {
    const { deadlineAtMs, budgetBytes } = options;
    const rounds: Round[] = keys.map(() => FAILED);
    const call: Call = { namespace, deadlineAtMs, rounds, memo: createTagMemo() };
    const maxBytes = firstEntryBytes(keys.length, budgetBytes);
    const first = await this.#firstRounds.reserve(keys.length * maxBytes, this.#leftMs(call));
    let second: Reservation | undefined;
    try {
      if (first !== undefined) {
        const fetches = keys.map((key, index) => ({ index, key, maxBytes }));
        await this.#fetch(call, fetches);
        first.shrinkTo(rounds.reduce((sum, round) => sum + fetchedBytes(round), 0));
        second = await this.#fetchLarge(call, largeEntriesWithin(budgetBytes, keys, rounds));
      }
      return await this.#judge(call);
    } finally {
      second?.release();
      first?.release();
    }
  }

  async #fetchLarge(call: Call, fetches: readonly EntryFetch[]): Promise<Reservation | undefined> {
    if (fetches.length === 0) {
      return undefined;
    }
    const bytes = fetches.reduce((sum, fetch) => sum + fetch.maxBytes, 0);
    const reservation = await this.#secondRounds.reserve(bytes, this.#leftMs(call));
    try {
      if (reservation !== undefined) {
        await this.#fetch(call, fetches);
      }
    } catch (error) {
      reservation?.release();
      throw error;
    }
    for (const { index } of fetches) {
      if (reservation === undefined) {
        call.rounds[index] = FAILED;
      } else if (call.rounds[index]?.kind === 'large') {
        // The entry has grown since round 1 and exceeds its reservation.
        call.rounds[index] = SKIPPED;
      }
    }
    return reservation;
  }

  #leftMs({ deadlineAtMs }: Call): number {
    return deadlineAtMs - this.#clock.monotonicMs();
  }

  /** Runs one script per bucket, all scripts concurrently, and stores the results in `call.rounds`. */
  async #fetch(call: Call, fetches: readonly EntryFetch[]): Promise<void> {
    const byBucket = new Map<number, EntryFetch[]>();
    for (const fetch of fetches) {
      const bucket = bucketOf(fetch.key);
      const members = byBucket.get(bucket);
      if (members === undefined) {
        byBucket.set(bucket, [fetch]);
      } else {
        members.push(fetch);
      }
    }
    await Promise.all([...byBucket].map(([bucket, members]) => this.#fetchBucket(call, bucket, members)));
  }

  async #fetchBucket(call: Call, bucket: number, members: readonly EntryFetch[]): Promise<void> {
    const { namespace, rounds } = call;
    const keys: (string | Buffer)[] = [this.#keyspace.cacheSequence(namespace, bucket)];
    let expectedReplyBytes = 0;
    for (const member of members) {
      keys.push(this.#keyspace.cacheEntry(namespace, bucket, member.key));
      expectedReplyBytes += member.maxBytes;
    }
    let reply: RedisReply;
    try {
      const options = { expectedReplyBytes };
      reply = await this.#commands.run(this.#script, keys, limitsOf(members), call.deadlineAtMs, options);
    } catch (error) {
      if (error instanceof StoreError && !(error instanceof StoredFormatError)) {
        for (const member of members) {
          rounds[member.index] = FAILED;
        }
        return;
      }
      throw error;
    }
    const read = toBucketRead(reply, members.length);
    for (const [place, member] of members.entries()) {
      rounds[member.index] = read === undefined ? MISS : toRound(read, place, call.memo);
    }
  }

  async #judge({ namespace, rounds, deadlineAtMs }: Call): Promise<ReadManyResult[]> {
    const entries = rounds.flatMap((round) => (round.kind === 'entry' ? [round.read.entry] : []));
    const judge = await this.#tags.judgeOf(namespace, entries, deadlineAtMs);
    return rounds.map((round) => toResult(round, judge));
  }
}

/** Returns the byte limits as script arguments: a single argument if all entries have the same limit. */
function limitsOf(members: readonly EntryFetch[]): string[] {
  const first = members[0]?.maxBytes ?? 0;
  return members.every((member) => member.maxBytes === first)
    ? [String(first)]
    : members.map((member) => String(member.maxBytes));
}

function toResult(round: Round, judge: (tags: readonly EntryTag[]) => boolean | StoreError): ReadManyResult {
  switch (round.kind) {
    case 'entry': {
      const verdict = judge(round.read.entry.tags);
      if (verdict instanceof StoredFormatError) {
        throw verdict;
      }
      if (verdict instanceof StoreError) {
        return { outcome: 'unavailable' };
      }
      return verdict ? { outcome: 'hit', entry: round.read.value } : { outcome: 'miss' };
    }
    case 'large':
    case 'skipped':
      return { outcome: 'skipped' };
    case 'miss':
      return { outcome: 'miss' };
    case 'failed':
      return { outcome: 'unavailable' };
  }
}

function firstEntryBytes(keyCount: number, budgetBytes: number): number {
  const shareBytes = Math.floor(budgetBytes / Math.max(1, keyCount));
  return Math.max(MIN_FIRST_ENTRY_BYTES, Math.min(MAX_FIRST_ENTRY_BYTES, shareBytes));
}

function toRound(read: BucketRead, place: number, memo: TagMemo): Round {
  const item = read.items[place];
  if (typeof item === 'number') {
    return { kind: 'large', bytes: item };
  }
  const entry = toReadEntry(read, item, memo);
  return entry === undefined ? MISS : { kind: 'entry', read: entry };
}

/**
 * Returns the large entries that fit the budget and must still be fetched. Processes the keys in order and marks
 * results of round 1 that do not fit the remaining budget as skipped.
 */
function largeEntriesWithin(budgetBytes: number, keys: readonly Buffer[], rounds: Round[]): EntryFetch[] {
  const fetches: EntryFetch[] = [];
  let leftBytes = budgetBytes;
  for (const [index, round] of rounds.entries()) {
    const bytes = round.kind === 'entry' ? budgetBytesOf(round.read.value) : round.kind === 'large' ? round.bytes : 0;
    if (bytes > leftBytes) {
      rounds[index] = SKIPPED;
      continue;
    }
    leftBytes -= bytes;
    const key = keys[index];
    if (round.kind === 'large' && key !== undefined) {
      fetches.push({ index, key, maxBytes: round.bytes });
    }
  }
  return fetches;
}

function fetchedBytes(round: Round): number {
  return round.kind === 'entry' ? ENTRY_HEADER_BYTES + round.read.entry.value.length : 0;
}
