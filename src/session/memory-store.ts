/**
 * Stores sessions in the memory of this process. The sidecar uses this store by default, without Redis.
 *
 * Invariants:
 *   1. Every method is one synchronous step, so no other call can interleave with it.
 *   2. The store never evicts a live session, because a login of one user must not log out another. If the store is
 *      full, it throws a StoreError of kind `full`.
 */

import type { UserLimit } from '../config/policy-file.ts';
import type { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { ExpirySweeper } from '../lib/expiry-sweeper.ts';
import { bufferBytes, mapBytes, stringBytes } from '../lib/memory-size.ts';
import { StoreError } from '../lib/store-error.ts';
import { MemoryUsers } from './memory-users.ts';
import {
  byNewestFirst,
  changesData,
  type DataChange,
  endOf,
  fieldBytes,
  type ListedSession,
  MAX_DATA_BYTES,
  MAX_DATA_FIELDS,
  type SessionCredential,
  type SessionRecord,
  touchIntervalMs,
  updatedAbsoluteEnd,
} from './model.ts';
import type {
  CreateOutcome,
  EndUserSessionsOutcome,
  NewSession,
  RotateOutcome,
  SessionRotation,
  SessionStore,
  SessionUpdate,
  UpdateOutcome,
} from './store.ts';

export interface MemorySessionStoreOptions {
  clock: Clock;
  /** Maximum number of sessions. The same maximum applies to the number of users with sessions. */
  maxEntries: number;
  /** Maximum memory of sessions and users together. */
  maxBytes: number;
}

interface MemorySession extends SessionRecord {
  readonly verifier: string;
  readonly previousVerifier: string;
  readonly previousEndMs: number;
  readonly generation: number;
  readonly labels: ReadonlyMap<string, string>;
  /** Memory of the session without its data. */
  readonly ownBytes: number;
  /** Memory of the session's data. */
  readonly dataBytes: number;
}

type Admission = { readonly outcome: 'admitted'; readonly evicted: number } | { readonly outcome: 'user_full' };

/** Memory of a record with its numbers and up to two verifiers, measured on Node 24 and rounded up. */
const SESSION_BYTES = 270;

/**
 * Empty map that all sessions without data or labels share, because an empty Map takes 200 bytes. This is safe, because
 * the store never modifies the maps of a session.
 */
const NOTHING = new Map<string, never>();

export class MemorySessionStore implements SessionStore {
  readonly #clock: Clock;
  readonly #sessions: BoundedMap<MemorySession>;
  readonly #users: MemoryUsers;
  readonly #sweeper: ExpirySweeper;

  constructor(options: MemorySessionStoreOptions) {
    const { maxEntries, maxBytes } = options;
    this.#clock = options.clock;
    this.#sweeper = new ExpirySweeper(() => options.clock.nowMs());
    this.#sessions = this.#sweeper.createMap({
      maxEntries,
      maxBytes,
      // `#makeRoom` runs before every write, so the map only removes sessions that have expired.
      onEvict: (handle, { userId }) => this.#users.forget(userId, handle, options.clock.nowMs()),
    });
    this.#users = new MemoryUsers({ sweeper: this.#sweeper, maxEntries, maxBytes });
  }

  /** Number of sessions, including expired sessions that the store has not removed yet. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Memory of sessions and users, in bytes. */
  get bytes(): number {
    return this.#sessions.bytes + this.#users.bytes;
  }

  close(): void {
    this.#sweeper.close();
  }

  create(created: NewSession): CreateOutcome {
    const nowMs = this.#clock.nowMs();
    const { handle, verifier } = created.credential;
    if (this.#sessions.peek(handle, nowMs) !== undefined) {
      return { outcome: 'exists' };
    }
    const admission = this.#admit(created.userId, created.userLimit, nowMs);
    if (admission.outcome === 'user_full') {
      return admission;
    }
    const data = copied(created.data);
    const labels = created.labels.size === 0 ? NOTHING : created.labels;
    const session: MemorySession = {
      handle,
      verifier,
      previousVerifier: '',
      previousEndMs: 0,
      userId: created.userId,
      generation: 0,
      data,
      dataBytes: bytesOf(data),
      labels,
      ownBytes: SESSION_BYTES + stringBytes(created.userId) + labelBytes(labels),
      version: 1,
      createdAtMs: nowMs,
      lastSeenAtMs: nowMs,
      idleTtlMs: created.idleTtlMs,
      absoluteEndMs: nowMs + created.absoluteTtlMs,
    };
    this.#makeRoom(session, nowMs);
    const entered = { ...session, generation: this.#enterUser(session, nowMs) };
    this.#put(entered, nowMs);
    return { outcome: 'created', session: entered, evicted: admission.evicted };
  }

  read(credential: SessionCredential, options: { readonly touch: boolean }): SessionRecord | undefined {
    const nowMs = this.#clock.nowMs();
    const session = this.#valid(credential.handle, nowMs);
    if (session === undefined) {
      return undefined;
    }
    if (session.verifier !== credential.verifier) {
      const isInGrace = session.previousVerifier === credential.verifier && nowMs < session.previousEndMs;
      return isInGrace ? session : undefined;
    }
    if (!options.touch || nowMs - session.lastSeenAtMs < touchIntervalMs(session.idleTtlMs)) {
      return session;
    }
    const touched = { ...session, lastSeenAtMs: nowMs };
    this.#put(touched, nowMs);
    return touched;
  }

  update(credential: SessionCredential, update: SessionUpdate): UpdateOutcome {
    const nowMs = this.#clock.nowMs();
    const session = this.#presented(credential, nowMs);
    if (session === undefined) {
      return { outcome: 'not_found' };
    }
    if (update.ifVersion !== undefined && update.ifVersion !== session.version) {
      return { outcome: 'version_conflict', version: session.version };
    }
    const changed = withChange(session, update.change);
    if (isTooLarge(changed)) {
      return { outcome: 'too_large', fields: changed.data.size, bytes: fieldBytesOf(changed.data) };
    }
    const { absoluteTtlMs } = update;
    const updated: MemorySession = {
      ...changed,
      lastSeenAtMs: nowMs,
      idleTtlMs: update.idleTtlMs ?? session.idleTtlMs,
      absoluteEndMs:
        absoluteTtlMs === undefined
          ? session.absoluteEndMs
          : updatedAbsoluteEnd(session.createdAtMs, nowMs, absoluteTtlMs),
    };
    this.#makeRoom(updated, nowMs);
    this.#users.extend(updated, nowMs);
    this.#put(updated, nowMs);
    return { outcome: 'updated', version: updated.version, expiresAtMs: endOf(updated) };
  }

  rotate(credential: SessionCredential, rotation: SessionRotation): RotateOutcome {
    const nowMs = this.#clock.nowMs();
    const session = this.#presented(credential, nowMs);
    if (session === undefined) {
      return { outcome: 'not_found' };
    }
    const userId = rotation.userId ?? session.userId;
    const changesUser = userId !== session.userId;
    if (changesUser && rotation.graceMs > 0) {
      return { outcome: 'grace_refused' };
    }
    const changed = withChange(session, rotation.change);
    if (isTooLarge(changed)) {
      return { outcome: 'too_large', fields: changed.data.size, bytes: fieldBytesOf(changed.data) };
    }
    const admission = this.#admit(userId, changesUser ? rotation.userLimit : undefined, nowMs);
    if (admission.outcome === 'user_full') {
      return admission;
    }
    const rotated: MemorySession = {
      ...changed,
      userId,
      ownBytes: session.ownBytes - stringBytes(session.userId) + stringBytes(userId),
      verifier: rotation.verifier,
      previousVerifier: rotation.graceMs > 0 ? session.verifier : '',
      previousEndMs: nowMs + rotation.graceMs,
      lastSeenAtMs: nowMs,
    };
    this.#makeRoom(rotated, nowMs);
    const generation = changesUser ? this.#enterUser(rotated, nowMs) : session.generation;
    const entered = { ...rotated, generation };
    this.#put(entered, nowMs);
    if (changesUser) {
      this.#users.forget(session.userId, session.handle, nowMs);
    }
    return { outcome: 'rotated', session: entered, evicted: admission.evicted };
  }

  delete(target: { readonly handle: string; readonly verifier: string | undefined }): boolean {
    const nowMs = this.#clock.nowMs();
    const session = this.#valid(target.handle, nowMs);
    if (session === undefined || (target.verifier !== undefined && session.verifier !== target.verifier)) {
      return false;
    }
    this.#sessions.delete(session.handle);
    this.#users.forget(session.userId, session.handle, nowMs);
    return true;
  }

  list(userId: string): readonly ListedSession[] {
    const nowMs = this.#clock.nowMs();
    const sessions: ListedSession[] = [];
    for (const handle of this.#users.listed(userId, nowMs)) {
      const session = this.#valid(handle, nowMs);
      if (session === undefined || session.userId !== userId) {
        this.#users.forget(userId, handle, nowMs);
        continue;
      }
      const { createdAtMs, lastSeenAtMs, labels } = session;
      sessions.push({ handle, createdAtMs, lastSeenAtMs, expiresAtMs: endOf(session), labels });
    }
    return sessions.sort(byNewestFirst);
  }

  endUserSessions(userId: string, except: SessionCredential | undefined): EndUserSessionsOutcome {
    const nowMs = this.#clock.nowMs();
    const kept = except === undefined ? undefined : this.#presented(except, nowMs);
    if (except !== undefined && kept?.userId !== userId) {
      return { outcome: 'not_found' };
    }
    const others = this.#users.listed(userId, nowMs).filter((handle) => handle !== kept?.handle);
    const live = others.filter((handle) => this.#valid(handle, nowMs)?.userId === userId);
    this.#users.end(userId, kept, nowMs);
    for (const handle of live) {
      this.#sessions.delete(handle);
    }
    return { outcome: 'ended', deleted: live.length };
  }

  /** Returns the session if the credential contains the current verifier of the session. */
  #presented(credential: SessionCredential, nowMs: number): MemorySession | undefined {
    const session = this.#valid(credential.handle, nowMs);
    return session?.verifier === credential.verifier ? session : undefined;
  }

  /** Returns the session unless it has expired or a logout everywhere has ended it. */
  #valid(handle: string, nowMs: number): MemorySession | undefined {
    const session = this.#sessions.peek(handle, nowMs);
    if (session === undefined || this.#users.accepts(session, nowMs)) {
      return session;
    }
    this.#sessions.delete(handle);
    return undefined;
  }

  /** Applies the user limit before a login: ends the oldest sessions, or refuses the login. */
  #admit(userId: string, userLimit: UserLimit | undefined, nowMs: number): Admission {
    if (userId === '' || userLimit === undefined) {
      return { outcome: 'admitted', evicted: 0 };
    }
    const live = this.#users.listed(userId, nowMs).filter((handle) => this.#valid(handle, nowMs)?.userId === userId);
    const excess = live.length + 1 - userLimit.maxSessions;
    if (excess > 0 && userLimit.atLimit === 'refuse') {
      return { outcome: 'user_full' };
    }
    const evicted = live.slice(0, Math.max(0, excess));
    for (const handle of evicted) {
      this.#sessions.delete(handle);
      this.#users.forget(userId, handle, nowMs);
    }
    return { outcome: 'admitted', evicted: evicted.length };
  }

  #enterUser(session: MemorySession, nowMs: number): number {
    return session.userId === '' ? 0 : this.#users.enter(session, nowMs);
  }

  /** Removes expired sessions until this session and its user fit. */
  #makeRoom(session: MemorySession, nowMs: number): void {
    while (this.#isFullFor(session, nowMs)) {
      // If the loop removes a session, the session's user may be removed as well, so the loop checks its condition
      // after each removal.
      if (this.#sessions.sweep(nowMs, 1) === 0) {
        throw storeFull();
      }
    }
  }

  #isFullFor(session: MemorySession, nowMs: number): boolean {
    const { handle, userId } = session;
    const hasUser = userId !== '';
    const otherBytes = () => this.#users.bytes + (hasUser ? this.#users.growthBytes(userId, handle, nowMs) : 0);
    return (
      this.#sessions.isFullFor(handle, { bytes: session.ownBytes + session.dataBytes, nowMs, otherBytes }) ||
      (hasUser && this.#users.isFullFor(userId, nowMs))
    );
  }

  #put(session: MemorySession, nowMs: number): void {
    const options = { bytes: session.ownBytes + session.dataBytes, expiresAtMs: endOf(session), nowMs };
    this.#sessions.set(session.handle, session, options);
  }
}

function storeFull(): StoreError {
  return new StoreError('full', 'cannot store the session: the memory store is full of live sessions');
}

function withChange(session: MemorySession, change: DataChange): MemorySession {
  if (!changesData(change)) {
    return session;
  }
  const data = new Map(session.data);
  for (const name of change.remove) {
    data.delete(name);
  }
  for (const [name, value] of copied(change.set)) {
    data.set(name, value);
  }
  return { ...session, data, dataBytes: bytesOf(data), version: session.version + 1 };
}

function isTooLarge(session: MemorySession): boolean {
  return session.data.size > MAX_DATA_FIELDS || fieldBytesOf(session.data) > MAX_DATA_BYTES;
}

/** Copies values, because the values of a request are views that would keep the whole message in memory. */
function copied(data: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  if (data.size === 0) {
    return NOTHING;
  }
  const copies = new Map<string, Buffer>();
  for (const [name, value] of data) {
    const copy = Buffer.allocUnsafeSlow(value.length);
    value.copy(copy);
    copies.set(name, copy);
  }
  return copies;
}

/** Returns the size of session data, which MAX_DATA_BYTES limits: the bytes of all names and values. */
function fieldBytesOf(data: ReadonlyMap<string, Buffer>): number {
  let bytes = 0;
  for (const [name, value] of data) {
    bytes += fieldBytes(name, value);
  }
  return bytes;
}

/** Returns the memory that session data occupies. */
function bytesOf(data: ReadonlyMap<string, Buffer>): number {
  let bytes = mapBytes(data.size);
  for (const [name, value] of data) {
    bytes += stringBytes(name) + bufferBytes(value.length);
  }
  return bytes;
}

function labelBytes(labels: ReadonlyMap<string, string>): number {
  let bytes = mapBytes(labels.size);
  for (const [name, value] of labels) {
    bytes += stringBytes(name) + stringBytes(value);
  }
  return bytes;
}
