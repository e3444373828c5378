/**
 * The users of the memory store: for each the generation that its sessions must bear, and the list of their handles.
 *
 * A user is forgotten once its longest session has ended; one that comes back gets a generation that was never given
 * before, so that nothing of the forgotten one is valid again.
 */
import { BoundedMap } from '../lib/bounded-map.ts';
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
  readonly endMs: number;
}

const USER_OVERHEAD_BYTES = 500;
const HANDLE_BYTES = 150;

export class MemoryUsers {
  readonly #users: BoundedMap<MemoryUser>;
  #lastGeneration = 0;

  constructor(options: { maxEntries: number; maxBytes: number }) {
    this.#users = new BoundedMap(options);
  }

  get bytes(): number {
    return this.#users.bytes;
  }

  /** Lists the session under its user and gives back the generation that it must bear. */
  enter(session: UserSession, nowMs: number): number {
    const user = this.#users.peek(session.userId, nowMs);
    const listed = new Map(user?.listed);
    listed.delete(session.handle);
    makeRoom(listed, nowMs);
    listed.set(session.handle, session.absoluteEndMs);
    const entered: MemoryUser = {
      generation: user?.generation ?? this.#nextGeneration(),
      kept: user?.kept,
      listed,
      endMs: Math.max(user?.endMs ?? 0, session.absoluteEndMs),
    };
    const bytes = userBytes(entered);
    if (this.#users.isFullFor(session.userId, bytes, nowMs)) {
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
      this.#put(userId, user, nowMs);
    }
  }

  /** A new generation: all sessions of the user are invalid from now on, but the one to be kept. */
  end(userId: string, kept: UserSession | undefined, nowMs: number): void {
    const user = this.#users.peek(userId, nowMs);
    if (user === undefined) {
      return;
    }
    const listed = new Map<string, number>();
    if (kept !== undefined) {
      listed.set(kept.handle, kept.absoluteEndMs);
    }
    const keptMark = kept === undefined ? undefined : { handle: kept.handle, generation: kept.generation };
    this.#put(userId, { ...user, generation: this.#nextGeneration(), kept: keptMark, listed }, nowMs);
  }

  #nextGeneration(): number {
    this.#lastGeneration += 1;
    return this.#lastGeneration;
  }

  #put(userId: string, user: MemoryUser, nowMs: number): void {
    this.#users.set(userId, user, { bytes: userBytes(user), expiresAtMs: user.endMs, nowMs });
  }
}

/** Drops from a full list those that have ended, and where that is not enough the oldest. */
function makeRoom(listed: Map<string, number>, nowMs: number): void {
  if (listed.size < LISTED_SESSIONS_MAX) {
    return;
  }
  for (const [handle, endMs] of listed) {
    if (endMs <= nowMs) {
      listed.delete(handle);
    }
  }
  if (listed.size < LISTED_SESSIONS_MAX) {
    return;
  }
  for (const handle of [...listed.keys()].slice(0, LISTED_SESSIONS_DROPPED)) {
    listed.delete(handle);
  }
}

function userBytes(user: MemoryUser): number {
  return USER_OVERHEAD_BYTES + user.listed.size * HANDLE_BYTES;
}
