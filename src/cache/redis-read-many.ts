/**
 * Reads many entries from Redis in one call: one script per bucket, each distinct tag looked up once.
 *
 * Round 1 fetches every entry up to `min(64 KiB, budget / keys)`, so that it cannot fetch more than the call may return; larger entries only
 * report their length. Round 2 fetches those that fit what is left of the budget. Then the tags of all of them are compared.
 *
 * Invariants:
 *   1. A call fetches at most about twice its budget. All calls of the process together have a bounded number of bytes in each round: a call
 *      waits before it sends, and holds what it fetched until it is answered. Round 2 waits for round 1 and never the other way round.
 *   2. What cannot be read is `unavailable` and nothing else: `read` never rejects.
 */
import { StoreError } from '../lib/store-error.ts';
import type { RedisCommands } from '../redis/commands.ts';
import { bucketOf, type Keyspace } from '../redis/keyspace.ts';
import type { Script } from '../redis/script.ts';
import { ENTRY_HEADER_BYTES, type EntryTag } from './entry.ts';
import { type BucketRead, type ReadEntry, toBucketRead, toReadEntry } from './redis-replies.ts';
import type { RedisTags } from './redis-tags.ts';
import { ReplyBudget, type Reservation } from './reply-budget.ts';
import { budgetBytesOf, type ReadManyOptions, type ReadManyResult } from './store.ts';

type Round =
  | { readonly kind: 'entry'; readonly read: ReadEntry }
  | { readonly kind: 'large'; readonly bytes: number }
  | { readonly kind: 'miss' }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'failed' };

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
}

const MAX_FIRST_ENTRY_BYTES = 65_536;
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
  readonly #firstRounds = new ReplyBudget({ maxBytes: MAX_FIRST_ROUND_BYTES, maxWaiting: MAX_WAITING_CALLS });
  readonly #secondRounds = new ReplyBudget({ maxBytes: MAX_SECOND_ROUND_BYTES, maxWaiting: MAX_WAITING_CALLS });

  constructor(options: RedisManyReaderOptions) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#tags = options.tags;
    this.#script = options.script;
  }

  async read(namespace: string, keys: readonly Buffer[], options: ReadManyOptions): Promise<ReadManyResult[]> {
    const rounds: Round[] = keys.map(() => ({ kind: 'failed' }));
    const maxBytes = firstEntryBytes(keys.length, options.budgetBytes);
    const first = await this.#firstRounds.reserve(keys.length * maxBytes);
    let second: Reservation | undefined;
    try {
      if (first !== undefined) {
        await this.#fetch(
          namespace,
          keys.map((key, index) => ({ index, key, maxBytes })),
          rounds,
          options.deadlineAtMs,
        );
        first.shrinkTo(rounds.reduce((sum, round) => sum + fetchedBytes(round), 0));
        const wishes = wishesWithin(options.budgetBytes, keys, rounds);
        second = await this.#fetchLarge(namespace, wishes, rounds, options.deadlineAtMs);
      }
      return await this.#judge(namespace, rounds, options.deadlineAtMs);
    } finally {
      second?.release();
      first?.release();
    }
  }

  async #fetchLarge(
    namespace: string,
    wishes: readonly Wish[],
    rounds: Round[],
    deadlineAtMs: number,
  ): Promise<Reservation | undefined> {
    if (wishes.length === 0) {
      return undefined;
    }
    const reservation = await this.#secondRounds.reserve(wishes.reduce((sum, wish) => sum + wish.maxBytes, 0));
    if (reservation === undefined) {
      for (const wish of wishes) {
        rounds[wish.index] = { kind: 'failed' };
      }
      return undefined;
    }
    await this.#fetch(namespace, wishes, rounds, deadlineAtMs);
    for (const { index } of wishes) {
      // Grown in between: beyond what was reserved.
      if (rounds[index]?.kind === 'large') {
        rounds[index] = { kind: 'skipped' };
      }
    }
    return reservation;
  }

  /** One script per bucket, all in flight at once. Sets the rounds of the wishes. */
  async #fetch(namespace: string, wishes: readonly Wish[], rounds: Round[], deadlineAtMs: number): Promise<void> {
    const byBucket = Map.groupBy(wishes, (wish) => bucketOf(wish.key));
    await Promise.all(
      [...byBucket].map(async ([bucket, members]) => {
        const results = await this.#fetchBucket(namespace, bucket, members, deadlineAtMs);
        for (const [place, member] of members.entries()) {
          rounds[member.index] = results(place);
        }
      }),
    );
  }

  async #fetchBucket(
    namespace: string,
    bucket: number,
    members: readonly Wish[],
    deadlineAtMs: number,
  ): Promise<(place: number) => Round> {
    const keys = [
      this.#keyspace.cacheSequence(namespace, bucket),
      ...members.map((member) => this.#keyspace.cacheEntry(namespace, bucket, member.key)),
    ];
    const expectedReplyBytes = members.reduce((sum, member) => sum + member.maxBytes, 0);
    try {
      const limits = [...new Set(members.map((member) => member.maxBytes))];
      const args = (limits.length === 1 ? limits : members.map((member) => member.maxBytes)).map(String);
      const reply = await this.#commands.run(this.#script, keys, args, deadlineAtMs, { expectedReplyBytes });
      const read = toBucketRead(reply);
      return (place) => (read === undefined ? { kind: 'miss' } : toRound(read, place));
    } catch (error) {
      if (error instanceof StoreError) {
        return () => ({ kind: 'failed' });
      }
      throw error;
    }
  }

  async #judge(namespace: string, rounds: readonly Round[], deadlineAtMs: number): Promise<ReadManyResult[]> {
    const entries = rounds.flatMap((round) => (round.kind === 'entry' ? [round.read.entry] : []));
    const judge = await this.#tags.judgeOf(namespace, entries, deadlineAtMs);
    return rounds.map((round) => toResult(round, judge));
  }
}

function toResult(round: Round, judge: (tags: readonly EntryTag[]) => boolean | StoreError): ReadManyResult {
  switch (round.kind) {
    case 'entry': {
      const verdict = judge(round.read.entry.tags);
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

function toRound(read: BucketRead, place: number): Round {
  const item = read.items[place];
  if (typeof item === 'number') {
    return { kind: 'large', bytes: item };
  }
  const entry = toReadEntry(read, item);
  return entry === undefined ? { kind: 'miss' } : { kind: 'entry', read: entry };
}

/** In the order of the keys: what of the first round does not fit is skipped, what is large and fits is to be fetched. */
function wishesWithin(budgetBytes: number, keys: readonly Buffer[], rounds: Round[]): Wish[] {
  const wishes: Wish[] = [];
  let leftBytes = budgetBytes;
  for (const [index, round] of rounds.entries()) {
    const bytes = round.kind === 'entry' ? budgetBytesOf(round.read.value) : round.kind === 'large' ? round.bytes : 0;
    if (bytes > leftBytes) {
      rounds[index] = { kind: 'skipped' };
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
