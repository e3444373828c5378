/**
 * Reads many entries from Redis in one call: one script per bucket, each distinct tag read once.
 *
 * Round 1 fetches every entry up to `min(64 KiB, budget / keys)`, so that it cannot fetch more than the call may return; larger entries only
 * report their length. Round 2 fetches those that fit what is left of the budget. Then the tags of all of them are compared.
 *
 * Invariants:
 *   1. A call fetches at most about twice its budget. All calls of the process together have a bounded number of bytes in each round: a call
 *      waits before it sends, until its deadline at the latest, and holds what it fetched until it is answered. Round 2 waits for round 1
 *      and never the other way round.
 *   2. An entry that cannot be read is `unavailable`. A StoredFormatError rejects, because it is for an operator, and so does a malformed reply:
 *      neither is an outcome of the cache.
 *   3. However a call ends, nothing of the budgets stays reserved for it.
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

/** One `read` and what is known so far. */
interface Call {
  readonly namespace: string;
  readonly deadlineAtMs: number;
  /** By the keys of the call. */
  readonly rounds: Round[];
  readonly memo: TagMemo;
}

interface Wish {
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
/** Room for a header with tags, however many keys share the budget. */
const MIN_FIRST_ENTRY_BYTES = 1_024;
/** Of all calls together: two of 256 keys at once, or many small ones; little beside the memory of the smallest pod. */
const MAX_FIRST_ROUND_BYTES = 8 * 1_048_576;
/** Round 2 knows what it will fetch, and that it is large: one full call at a time. */
const MAX_SECOND_ROUND_BYTES = 4 * 1_048_576;
/** As many as admission control lets in. */
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
        const wishes = keys.map((key, index) => ({ index, key, maxBytes }));
        await this.#fetch(call, wishes);
        first.shrinkTo(rounds.reduce((sum, round) => sum + fetchedBytes(round), 0));
        second = await this.#fetchLarge(call, wishesWithin(budgetBytes, keys, rounds));
      }
      return await this.#judge(call);
    } finally {
      second?.release();
      first?.release();
    }
  }

  async #fetchLarge(call: Call, wishes: readonly Wish[]): Promise<Reservation | undefined> {
    if (wishes.length === 0) {
      return undefined;
    }
    const bytes = wishes.reduce((sum, wish) => sum + wish.maxBytes, 0);
    const reservation = await this.#secondRounds.reserve(bytes, this.#leftMs(call));
    try {
      if (reservation !== undefined) {
        await this.#fetch(call, wishes);
      }
    } catch (error) {
      reservation?.release();
      throw error;
    }
    for (const { index } of wishes) {
      if (reservation === undefined) {
        call.rounds[index] = FAILED;
      } else if (call.rounds[index]?.kind === 'large') {
        // Grown in between: beyond what was reserved.
        call.rounds[index] = SKIPPED;
      }
    }
    return reservation;
  }

  #leftMs({ deadlineAtMs }: Call): number {
    return deadlineAtMs - this.#clock.monotonicMs();
  }

  /** One script per bucket, all in flight at once. Sets the rounds of the wishes. */
  async #fetch(call: Call, wishes: readonly Wish[]): Promise<void> {
    const byBucket = new Map<number, Wish[]>();
    for (const wish of wishes) {
      const bucket = bucketOf(wish.key);
      const members = byBucket.get(bucket);
      if (members === undefined) {
        byBucket.set(bucket, [wish]);
      } else {
        members.push(wish);
      }
    }
    await Promise.all([...byBucket].map(([bucket, members]) => this.#fetchBucket(call, bucket, members)));
  }

  async #fetchBucket(call: Call, bucket: number, members: readonly Wish[]): Promise<void> {
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

/** One limit for all, where all have the same. */
function limitsOf(members: readonly Wish[]): string[] {
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

/** In the order of the keys: what of the first round does not fit is skipped, what is large and fits is to be fetched. */
function wishesWithin(budgetBytes: number, keys: readonly Buffer[], rounds: Round[]): Wish[] {
  const wishes: Wish[] = [];
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
      wishes.push({ index, key, maxBytes: round.bytes });
    }
  }
  return wishes;
}

function fetchedBytes(round: Round): number {
  return round.kind === 'entry' ? ENTRY_HEADER_BYTES + round.read.entry.value.length : 0;
}
