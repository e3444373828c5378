/**
 * Adds the session of each login to the list of its user, and enforces the limit of live sessions per user, if there is
 * one.
 *
 * Invariants:
 *   1. One script counts the entries of the list and adds the new entry, so concurrent logins cannot exceed the limit.
 *   2. The module removes an entry only if the session of the entry certainly does not exist: the login did not create
 *      the session in time, or the session has ended. So the limit counts every listed session that a caller can
 *      present.
 *   3. The module ends a session only after it has read all entries of the list, and only if not enough of the listed
 *      sessions have already ended. The module ends the sessions of the oldest logins first.
 *   4. A login under a limit must create its session by `untilMs`. After that time, other logins may treat the entry of
 *      this login as abandoned.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { UserLimit } from '../config/policy-file.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { harmless, StoreError } from '../lib/store-error.ts';
import { LOGIN_SETTLES_MS } from './model.ts';
import { accepts, type StoredListedSession, type UserGeneration } from './redis-reply.ts';
import type { ListedHandle, RedisUsers, SessionScripts } from './redis-users.ts';
import { inParallel } from './steps.ts';
import type { NewSession } from './store.ts';

export interface Login {
  /** Script that creates or rotates the session after the session was added to the list. */
  readonly next: keyof SessionScripts;
  readonly userId: string;
  readonly handle: string;
  readonly absoluteTtlMs: number;
  readonly limit: UserLimit | undefined;
}

export type LoginOutcome =
  | {
      readonly outcome: 'entered';
      /** Generation that the session must have. */
      readonly generation: string;
      readonly evicted: number;
      /** Monotonic time by which the caller must have created the session. */
      readonly untilMs: number;
    }
  | { readonly outcome: 'user_full' };

/** Returns the outcome for a session without a user, which needs no list entry. */
export function loginWithoutUser(untilMs: number): LoginOutcome {
  return { outcome: 'entered', generation: '', evicted: 0, untilMs };
}

export interface RedisLoginsOptions {
  readonly users: RedisUsers;
  readonly clock: Clock;
  readonly readListed: (handle: string, deadlineAtMs: number) => Promise<StoredListedSession | undefined>;
  /** Ends the session if it has the given generation; returns whether this call ended the session. */
  readonly end: (handle: string, generation: string, deadlineAtMs: number) => Promise<boolean>;
}

/** State of a listed session. */
type ListedState =
  | { readonly kind: 'live'; readonly listed: ListedHandle; readonly generation: string }
  /** `pending`: the login has not created its session yet, or was interrupted before it created the session. */
  | { readonly kind: 'ended' | 'pending'; readonly listed: ListedHandle };

/** Maximum number of attempts. An attempt can fail because of other calls for the same user. */
const MAX_ROUNDS = 100;
const PAUSES = { firstMs: 2, maxMs: 50 };

export class RedisLogins {
  readonly #options: RedisLoginsOptions;

  constructor(options: RedisLoginsOptions) {
    this.#options = options;
  }

  /** Adds the session of the login to the list of its user. After an error, the caller must not create the session. */
  async enter({ limit, ...entry }: Login, deadlineAtMs: number): Promise<LoginOutcome> {
    const { users, clock } = this.#options;
    let ended: readonly ListedHandle[] = [];
    let evicted = 0;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const settledAtMs = clock.monotonicMs() + LOGIN_SETTLES_MS;
      const found = await harmless(users.enter({ ...entry, maxSessions: limit?.maxSessions, ended }, deadlineAtMs));
      if (found.outcome === 'entered') {
        const untilMs = limit === undefined ? deadlineAtMs : Math.min(deadlineAtMs, settledAtMs);
        return { outcome: 'entered', generation: found.generation, evicted, untilMs };
      }
      const { user, others } = found;
      const excess = others.length + 1 - (limit?.maxSessions ?? 0);
      const states = await inParallel(others, (other) => this.#stateOf(entry.userId, user, other, deadlineAtMs));
      const gone = states.filter(({ kind }) => kind === 'ended').map(({ listed }) => listed);
      if (gone.length < excess && limit?.atLimit === 'refuse') {
        return { outcome: 'user_full' };
      }
      const endedHere = await this.#endOldest(states, excess - gone.length, deadlineAtMs);
      evicted += endedHere.length;
      ended = [...gone, ...endedHere];
      if (ended.length < excess) {
        await this.#pause(round, deadlineAtMs);
      }
    }
    throw busy();
  }

  /**
   * Awaits the creation of a session. If an error shows that the session was not created, removes the session's list
   * entry before the caller can retry.
   */
  async orGiveUp<Value>(step: Promise<Value>, created: NewSession, deadlineAtMs: number): Promise<Value> {
    try {
      return await step;
    } catch (error) {
      if (error instanceof StoreError && error.kind !== 'unknown') {
        const { userId, credential } = created;
        await this.#options.users.forget(userId, credential.handle, deadlineAtMs).catch(() => undefined);
      }
      throw error;
    }
  }

  async #stateOf(
    userId: string,
    user: UserGeneration,
    listed: ListedHandle,
    deadlineAtMs: number,
  ): Promise<ListedState> {
    const { handle } = listed;
    const session = await harmless(this.#options.readListed(handle, deadlineAtMs));
    if (session?.userId === userId && accepts(user, session)) {
      return { kind: 'live', listed, generation: session.generation };
    }
    return { kind: listed.isSettled ? 'ended' : 'pending', listed };
  }

  /** Ends up to `count` live sessions, oldest login first, and returns those that this call ended. */
  async #endOldest(
    states: readonly ListedState[],
    count: number,
    deadlineAtMs: number,
  ): Promise<readonly ListedHandle[]> {
    const live = states.filter((state) => state.kind === 'live');
    const oldest = live.toSorted(byOldestLogin).slice(0, Math.max(0, count));
    const wasEnded = await inParallel(oldest, ({ listed, generation }) =>
      harmless(this.#options.end(listed.handle, generation, deadlineAtMs)),
    );
    return oldest.filter((_, index) => wasEnded[index] === true).map(({ listed }) => listed);
  }

  /** Waits before the next attempt, so that other logins of the user can finish. */
  async #pause(round: number, deadlineAtMs: number): Promise<void> {
    const pauseMs = backoffMs(round, PAUSES);
    if (this.#options.clock.monotonicMs() + pauseMs >= deadlineAtMs) {
      throw busy();
    }
    await sleep(pauseMs);
  }
}

function byOldestLogin(left: ListedState, right: ListedState): number {
  if (left.listed.listedAtMs !== right.listed.listedAtMs) {
    return left.listed.listedAtMs - right.listed.listedAtMs;
  }
  return left.listed.handle < right.listed.handle ? -1 : 1;
}

function busy(): StoreError {
  return new StoreError('unavailable', 'cannot log in the user: other logins of this user are in progress');
}
