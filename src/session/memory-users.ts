/**
 * Stores the users of the memory session store: for each user, the generation that valid sessions must have, and the
 * handles of the user's sessions.
 *
 * The store removes a user together with the user's last session. If the list of a user does not contain all of the
 * user's sessions, the store keeps the user until the last session would have expired. If the user logs in again later,
 * the user gets a new generation, so that no earlier session becomes valid again.
 */
import { type BoundedMap, entryBytes } from '../lib/bounded-map.ts';
import type { ExpirySweeper } from '../lib/expiry-sweeper.ts';
import { mapBytes } from '../lib/memory-size.ts';
import { LISTED_SESSIONS_DROPPED, MAX_LISTED_SESSIONS } from './model.ts';

/** Fields of a session that refer to its user. */
export interface UserSession {
  readonly handle: string;
  readonly userId: string;
  readonly generation: number;
  readonly absoluteEndMs: number;
}

interface MemoryUser {
  readonly generation: number;
  /** Session that remains valid with an older generation, because a logout everywhere excluded it. */
  readonly kept: { readonly handle: string; readonly generation: number } | undefined;
  /** Absolute expiry of each listed session by handle, oldest login first. */
  readonly listed: Map<string, number>;
  /** Whether `enter` has removed possibly valid sessions from a full list. */
  readonly hasUnlisted: boolean;
  readonly endMs: number;
}

export interface MemoryUsersOptions {
  readonly sweeper: ExpirySweeper;
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Memory of a user without its list, in bytes. */
const USER_BYTES = 100;
/** Memory of a listed handle's expiry, in bytes. The list and the session share the string of the handle. */
const END_BYTES = 16;
const HANDLE_BYTES = mapBytes(2) - mapBytes(1) + END_BYTES;

export class MemoryUsers {
  readonly #users: BoundedMap<MemoryUser>;
  #lastGeneration = 0;

  constructor({ sweeper, maxEntries, maxBytes }: MemoryUsersOptions) {
    this.#users = sweeper.createMap({ maxEntries, maxBytes });
  }

  get bytes(): number {
    return this.#users.bytes;
  }

  /** Returns whether `enter` would have to evict another user to list a session of this user. */
  isFullFor(userId: string, nowMs: number): boolean {
    return this.#users.isFullFor(userId, { bytes: 0, nowMs });
  }

  /** Returns the maximum number of bytes by which listing this session increases `bytes`. */
  growthBytes(userId: string, handle: string, nowMs: number): number {
    const user = this.#users.peek(userId, nowMs);
    if (user === undefined) {
      return entryBytes(userId, listBytes(1));
    }
    return user.listed.has(handle) ? 0 : HANDLE_BYTES;
  }

  /**
   * Adds the session to the list of its user, and returns the generation that the session must have. The caller ensures
   * that the user fits into the store.
   */
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
    this.#put(session.userId, entered, nowMs);
    return entered.generation;
  }

  /** Returns whether the session has no user or has the generation of its user. */
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

  /** Updates the expiry of a listed session, and keeps the user at least until this session expires. */
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

  /** Returns the listed handles, oldest login first. */
  listed(userId: string, nowMs: number): string[] {
    return [...(this.#users.peek(userId, nowMs)?.listed.keys() ?? [])];
  }

  forget(userId: string, handle: string, nowMs: number): void {
    const user = this.#users.peek(userId, nowMs);
    if (user?.listed.delete(handle) === true) {
      this.#putOrForget(userId, user, nowMs);
    }
  }

  /** Starts a new generation, which invalidates all sessions of the user except `kept`. */
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

  #putOrForget(userId: string, user: MemoryUser, nowMs: number): void {
    if (user.listed.size === 0 && !user.hasUnlisted) {
      this.#forgetUser(userId);
    } else {
      this.#put(userId, user, nowMs);
    }
  }

  /** Removes the user, which invalidates all sessions of the user. */
  #forgetUser(userId: string): void {
    this.#users.delete(userId);
  }

  #put(userId: string, user: MemoryUser, nowMs: number): void {
    this.#users.set(userId, user, { bytes: userBytes(user), expiresAtMs: user.endMs, nowMs });
  }
}

/**
 * Removes expired sessions from a full list. If the list contains none, removes the oldest sessions instead. Returns
 * whether the function removed unexpired sessions.
 */
function makeRoom(listed: Map<string, number>, nowMs: number): boolean {
  if (listed.size < MAX_LISTED_SESSIONS) {
    return false;
  }
  for (const [handle, endMs] of listed) {
    if (endMs <= nowMs) {
      listed.delete(handle);
    }
  }
  if (listed.size < MAX_LISTED_SESSIONS) {
    return false;
  }
  for (const handle of [...listed.keys()].slice(0, LISTED_SESSIONS_DROPPED)) {
    listed.delete(handle);
  }
  return true;
}

function userBytes(user: MemoryUser): number {
  return listBytes(user.listed.size);
}

/** Returns the memory of a user with the given number of handles. */
function listBytes(handles: number): number {
  return USER_BYTES + mapBytes(handles) + handles * END_BYTES;
}
