/**
 * The users of the memory store: for each the generation that its sessions must bear, and the list of their handles.
 *
 * A user is forgotten with its last session, or once its longest one would have ended if it has sessions that its list does not know. One
 * that comes back gets a generation that was never given before, so that nothing of the forgotten one is valid again.
 */
import { type BoundedMap, entryBytes } from '../lib/bounded-map.ts';
import type { ExpirySweeper } from '../lib/expiry-sweeper.ts';
import { mapBytes } from '../lib/memory-size.ts';
import { LISTED_SESSIONS_DROPPED, MAX_LISTED_SESSIONS } from './model.ts';

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
  readonly sweeper: ExpirySweeper;
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** The object of a user with its numbers, without its list. */
const USER_BYTES = 100;
/** The number of a handle's end; its string is that of the session. */
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

  /** Whether no session of this user can be entered without giving up a user. */
  isFullFor(userId: string, nowMs: number): boolean {
    return this.#users.isFullFor(userId, { bytes: 0, nowMs });
  }

  /** What entering this session of the user adds to `bytes`, at most. */
  growthBytes(userId: string, handle: string, nowMs: number): number {
    const user = this.#users.peek(userId, nowMs);
    if (user === undefined) {
      return entryBytes(userId, listBytes(1));
    }
    return user.listed.has(handle) ? 0 : HANDLE_BYTES;
  }

  /** Lists the session under its user, for whom there must be room, and gives back the generation that it must bear. */
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
  }

  #put(userId: string, user: MemoryUser, nowMs: number): void {
    this.#users.set(userId, user, { bytes: userBytes(user), expiresAtMs: user.endMs, nowMs });
  }
}

/** Drops from a full list those that have ended, and where that is not enough the oldest; says whether it had to. */
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

/** Of a user with so many handles. */
function listBytes(handles: number): number {
  return USER_BYTES + mapBytes(handles) + handles * END_BYTES;
}
