/**
 * Enters a login into the list of its user, within the limit of live sessions per user where there is one.
 *
 * Invariants:
 *   1. One script counts the list and enters the login, so the list never grows beyond the limit, whoever else logs in meanwhile.
 *   2. An entry leaves the list only once its session is known to have ended: it was not there after the time that its login had to make it,
 *      or it was ended here. So every session of the list that a caller can present counts.
 *   3. A session is ended here only if each entry of the list was looked at and those that had ended were not enough. The oldest go first.
 *   4. What was entered within a limit must be made by `untilMs`; later the entry may be taken for one that was given up.
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
  /** The script that follows. */
  readonly next: keyof SessionScripts;
  readonly userId: string;
  readonly handle: string;
  readonly absoluteTtlMs: number;
  readonly limit: UserLimit | undefined;
}

export type LoginOutcome =
  | {
      readonly outcome: 'entered';
      /** What the session must bear. */
      readonly generation: string;
      readonly evicted: number;
      /** Monotonic. */
      readonly untilMs: number;
    }
  | { readonly outcome: 'user_full' };

/** The login of a session that is nobody's. */
export function nobodysLogin(untilMs: number): LoginOutcome {
  return { outcome: 'entered', generation: '', evicted: 0, untilMs };
}

export interface RedisLoginsOptions {
  readonly users: RedisUsers;
  readonly clock: Clock;
  readonly readListed: (handle: string, deadlineAtMs: number) => Promise<StoredListedSession | undefined>;
  /** Ends the session if it still bears that generation; says whether it did. */
  readonly end: (handle: string, generation: string, deadlineAtMs: number) => Promise<boolean>;
}

/** What an entry of the list stands for. */
type ListedState =
  | { readonly kind: 'live'; readonly listed: ListedHandle; readonly generation: string }
  /** Pending: its login is between its two steps, or was cut off there. */
  | { readonly kind: 'ended' | 'pending'; readonly listed: ListedHandle };

/** Each round another login of the user got in between; more at once than this are refused. */
const MAX_ROUNDS = 100;
const PAUSES = { firstMs: 2, maxMs: 50 };

export class RedisLogins {
  readonly #options: RedisLoginsOptions;

  constructor(options: RedisLoginsOptions) {
    this.#options = options;
  }

  /** Whatever it throws, nothing was entered that a session will come of. */
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

  /** The step that makes a session; where it certainly did not, its place in the list is given up before the caller may repeat the call. */
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

  /** Ends so many live sessions, the oldest first; returns those that were ended. */
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

  /** Lets other logins of the user finish. */
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
  return new StoreError('unavailable', 'other logins of this user are in progress; repeat the call');
}
