/**
 * The users of the memory store: for each the generation that its sessions must bear, and the list of their handles.
 *
 * A user is forgotten once its longest session would have ended, or as soon as it is known to have none: at the end of its last
 * one, or when room is needed. One that comes back gets a generation that was never given before, so that nothing of the
 * forgotten one is valid again.
 */
import { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { StoreError } from '../lib/store-error.ts';
import { LISTED_SESSIONS_DROPPED, LISTED_SESSIONS_MAX } from './session.ts';

/** What a session says of its user. */
export interface UserSession {
  readonly handle: string;
  readonly userId: string;
  readonly generation: number;
  readonly absoluteEndMs: number;
}

interface MemoryUser {
  readonly generation: number;
  /** The one session that stays valid with an older generation. */
  readonly kept: { readonly handle: string; readonly generation: number } | undefined;
  /** Oldest first, each with its absolute end. */
  readonly listed: Map<string, number>;
  /** Sessions have left a full list that may be valid yet. */
  readonly hasUnlisted: boolean;
  readonly endMs: number;
}

export interface MemoryUsersOptions {
  readonly clock: Clock;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Whether the session of this handle is there and this user's. */
  readonly isHeld: (handle: string, userId: string, nowMs: number) => boolean;
}

const USER_OVERHEAD_BYTES = 500;
const HANDLE_BYTES = 150;
/** A full store is looked through once in this time; until then it refuses unknown users without a look. */
const FULL_MS = 100;

export class MemoryUsers {
  readonly #users: BoundedMap<MemoryUser>;
  readonly #clock: Clock;
  readonly #isHeld: MemoryUsersOptions['isHeld'];
  #lastGeneration = 0;
  #fullUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: MemoryUsersOptions) {
    this.#users = new BoundedMap(options);
    this.#clock = options.clock;
    this.#isHeld = options.isHeld;
  }

  get bytes(): number {
    return this.#users.bytes;
  }

  /** Lists the session under its user and gives back the generation that it must bear. */
  enter(session: UserSession, nowMs: number): number {
    const user = this.#users.peek(session.userId, nowMs);
    const listed = new Map(user?.listed);
    listed.delete(session.handle);
    const hasDropped = makeRoom(listed, nowMs);
    listed.set(session.handle, session.absoluteEndMs);
    const entered: MemoryUser = {
      generation: user?.generation ?? this.#nextGeneration(),
      kept: user?.kept,
      listed,
      hasUnlisted: hasDropped || user?.hasUnlisted === true,
      endMs: Math.max(user?.endMs ?? 0, session.absoluteEndMs),
    };
    if (!this.#hasRoom(session.userId, { isKnown: user !== undefined, bytes: userBytes(entered), nowMs })) {
      throw new StoreError('full', 'the memory store holds as many users as it may, wanted room for one more');
    }
    this.#put(session.userId, entered, nowMs);
    return entered.generation;
  }

  /** Whether the session is nobody's, or bears the generation of its user. */
  accepts(session: UserSession, nowMs: number): boolean {
    if (session.userId === '') {
      return true;
    }
    const user = this.#users.peek(session.userId, nowMs);
    if (user === undefined) {
      return false;
    }
    const isKept = user.kept?.handle === session.handle && user.kept.generation === session.generation;
    return user.generation === session.generation || isKept;
  }

  /** Lets the user live as long as this session of it. */
  extend(session: UserSession, nowMs: number): void {
    const user = this.#users.peek(session.userId, nowMs);
    if (user === undefined) {
      return;
    }
    const listed = user.listed;
    if (listed.has(session.handle)) {
      listed.set(session.handle, session.absoluteEndMs);
    }
    this.#put(session.userId, { ...user, endMs: Math.max(user.endMs, session.absoluteEndMs) }, nowMs);
  }

  /** The handles of the list, oldest first. */
  listed(userId: string, nowMs: number): string[] {
    return [...(this.#users.peek(userId, nowMs)?.listed.keys() ?? [])];
  }

  forget(userId: string, handle: string, nowMs: number): void {
    const user = this.#users.peek(userId, nowMs);
    if (user?.listed.delete(handle) === true) {
      this.#putOrForget(userId, user, nowMs);
    }
  }

  /** A new generation: all sessions of the user are invalid from now on, but the one to be kept. */
  end(userId: string, kept: UserSession | undefined, nowMs: number): void {
    const user = this.#users.peek(userId, nowMs);
    if (user === undefined) {
      return;
    }
    if (kept === undefined) {
      this.#forgetUser(userId);
      return;
    }
    const ended: MemoryUser = {
      generation: this.#nextGeneration(),
      kept: { handle: kept.handle, generation: kept.generation },
      listed: new Map([[kept.handle, kept.absoluteEndMs]]),
      hasUnlisted: false,
      endMs: user.endMs,
    };
    this.#put(userId, ended, nowMs);
  }

  #nextGeneration(): number {
    this.#lastGeneration += 1;
    return this.#lastGeneration;
  }

  #hasRoom(userId: string, entered: { isKnown: boolean; bytes: number; nowMs: number }): boolean {
    const { isKnown, bytes, nowMs } = entered;
    const wasFull = this.#clock.monotonicMs() < this.#fullUntilMs;
    if (!isKnown && wasFull) {
      return false;
    }
    if (!this.#users.isFullFor(userId, bytes, nowMs)) {
      return true;
    }
    if (wasFull) {
      return false;
    }
    this.#forgetEnded(nowMs);
    if (!this.#users.isFullFor(userId, bytes, nowMs)) {
      return true;
    }
    this.#fullUntilMs = this.#clock.monotonicMs() + FULL_MS;
    return false;
  }

  /** Looks through all lists for sessions that are no more. */
  #forgetEnded(nowMs: number): void {
    for (const userId of [...this.#users.keys()]) {
      const user = this.#users.peek(userId, nowMs);
      const ended = [...(user?.listed.keys() ?? [])].filter((handle) => !this.#isHeld(handle, userId, nowMs));
      if (user === undefined || ended.length === 0) {
        continue;
      }
      for (const handle of ended) {
        user.listed.delete(handle);
      }
      this.#putOrForget(userId, user, nowMs);
    }
  }

  #putOrForget(userId: string, user: MemoryUser, nowMs: number): void {
    if (user.listed.size === 0 && !user.hasUnlisted) {
      this.#forgetUser(userId);
    } else {
      this.#put(userId, user, nowMs);
    }
  }

  /** None of its sessions is valid without it. */
  #forgetUser(userId: string): void {
    this.#users.delete(userId);
    this.#fullUntilMs = Number.NEGATIVE_INFINITY;
  }

  #put(userId: string, user: MemoryUser, nowMs: number): void {
    this.#users.set(userId, user, { bytes: userBytes(user), expiresAtMs: user.endMs, nowMs });
  }
}

/** Drops from a full list those that have ended, and where that is not enough the oldest; says whether it had to. */
function makeRoom(listed: Map<string, number>, nowMs: number): boolean {
  if (listed.size < LISTED_SESSIONS_MAX) {
    return false;
  }
  for (const [handle, endMs] of listed) {
    if (endMs <= nowMs) {
      listed.delete(handle);
    }
  }
  if (listed.size < LISTED_SESSIONS_MAX) {
    return false;
  }
  for (const handle of [...listed.keys()].slice(0, LISTED_SESSIONS_DROPPED)) {
    listed.delete(handle);
  }
  return true;
}

function userBytes(user: MemoryUser): number {
  return USER_OVERHEAD_BYTES + user.listed.size * HANDLE_BYTES;
}
