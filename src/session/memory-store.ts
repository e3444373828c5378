/**
 * Sessions in this process's memory: the embedded default, and the plainest reading of the contract in store.ts.
 *
 * Every verb is one synchronous step, so nothing can come between its parts. It never drops a live session to make room:
 * somebody would be logged out by somebody else's login. When it is full it says so (StoreError `full`).
 */

import type { UserLimit } from '../config/policy-file.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import type { Clock } from '../lib/clock.ts';
import { StoreError } from '../lib/store-error.ts';
import { MemoryUsers } from './memory-users.ts';
import {
  byNewestFirst,
  changesData,
  DATA_BYTES_MAX,
  DATA_FIELDS_MAX,
  type DataChange,
  endOf,
  fieldBytes,
  type ListedSession,
  type SessionCredential,
  type SessionRecord,
  touchIntervalMs,
  updatedAbsoluteEnd,
} from './session.ts';
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
  /** Sessions, and users that have some. */
  maxEntries?: number;
  /** Of sessions; users may have half as much. */
  maxBytes?: number;
}

interface MemorySession extends SessionRecord {
  readonly verifier: string;
  readonly previousVerifier: string;
  readonly previousEndMs: number;
  readonly generation: number;
  readonly labels: ReadonlyMap<string, string>;
  readonly dataBytes: number;
}

type Admission = { readonly outcome: 'admitted'; readonly evicted: number } | { readonly outcome: 'user_full' };

const MAX_ENTRIES = 100_000;
const MAX_BYTES = 67_108_864;
/** A full store is looked through for ended sessions once in this time; until then it refuses the new without a look. */
const FULL_MS = 100;
/** The record, its strings and its maps without their contents; measured on Node 24, rounded up. */
const SESSION_OVERHEAD_BYTES = 800;
/** A map slot, a string header and a buffer of its own. */
const FIELD_OVERHEAD_BYTES = 300;
/** A map slot and the headers of two strings. */
const LABEL_OVERHEAD_BYTES = 100;

export class MemorySessionStore implements SessionStore {
  readonly #clock: Clock;
  readonly #sessions: BoundedMap<MemorySession>;
  readonly #users: MemoryUsers;
  #fullUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: MemorySessionStoreOptions) {
    const maxEntries = options.maxEntries ?? MAX_ENTRIES;
    const maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#clock = options.clock;
    this.#sessions = new BoundedMap({ maxEntries, maxBytes });
    this.#users = new MemoryUsers({
      clock: options.clock,
      maxEntries,
      maxBytes: Math.ceil(maxBytes / 2),
      isHeld: (handle, userId, nowMs) => this.#sessions.peek(handle, nowMs)?.userId === userId,
    });
  }

  /** Sessions held, those included that have ended and were not met since. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Bytes held, users included. */
  get bytes(): number {
    return this.#sessions.bytes + this.#users.bytes;
  }

  /** Whether anything is kept under this handle; for tests of what a delete leaves behind. */
  holds(handle: string): boolean {
    return this.#sessions.peek(handle, this.#clock.nowMs()) !== undefined;
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
    this.#refuseWhileFull();
    const data = copied(created.data);
    const session: MemorySession = {
      handle,
      verifier,
      previousVerifier: '',
      previousEndMs: 0,
      userId: created.userId,
      generation: 0,
      data,
      dataBytes: bytesOf(data),
      labels: created.labels,
      version: 1,
      createdAtMs: nowMs,
      lastSeenAtMs: nowMs,
      idleTtlMs: created.idleTtlMs,
      absoluteEndMs: nowMs + created.absoluteTtlMs,
    };
    this.#refuseWhenFull(session, nowMs);
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
      return { outcome: 'too_large', fields: changed.data.size, bytes: changed.dataBytes };
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
    this.#refuseWhenFull(updated, nowMs);
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
      return { outcome: 'too_large', fields: changed.data.size, bytes: changed.dataBytes };
    }
    const admission = this.#admit(userId, changesUser ? rotation.userLimit : undefined, nowMs);
    if (admission.outcome === 'user_full') {
      return admission;
    }
    const rotated: MemorySession = {
      ...changed,
      userId,
      verifier: rotation.verifier,
      previousVerifier: rotation.graceMs > 0 ? session.verifier : '',
      previousEndMs: nowMs + rotation.graceMs,
      lastSeenAtMs: nowMs,
    };
    this.#refuseWhenFull(rotated, nowMs);
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
    this.#remove(session.handle);
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
      this.#remove(handle);
    }
    return { outcome: 'ended', deleted: live.length };
  }

  /** The session that these words give the right to change. */
  #presented(credential: SessionCredential, nowMs: number): MemorySession | undefined {
    const session = this.#valid(credential.handle, nowMs);
    return session?.verifier === credential.verifier ? session : undefined;
  }

  /** The session, unless it has ended or its user was logged out everywhere. */
  #valid(handle: string, nowMs: number): MemorySession | undefined {
    const session = this.#sessions.peek(handle, nowMs);
    if (session === undefined || this.#users.accepts(session, nowMs)) {
      return session;
    }
    this.#remove(handle);
    return undefined;
  }

  #remove(handle: string): void {
    this.#sessions.delete(handle);
    this.#fullUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** Makes room for one more session of the user, where there is a limit of them. */
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
      this.#remove(handle);
      this.#users.forget(userId, handle, nowMs);
    }
    return { outcome: 'admitted', evicted: evicted.length };
  }

  #enterUser(session: MemorySession, nowMs: number): number {
    return session.userId === '' ? 0 : this.#users.enter(session, nowMs);
  }

  #refuseWhenFull(session: MemorySession, nowMs: number): void {
    if (this.#sessions.isFullFor(session.handle, sessionBytes(session), nowMs)) {
      this.#fullUntilMs = this.#clock.monotonicMs() + FULL_MS;
      throw storeFull();
    }
  }

  /** Each look goes through all sessions: a flood of creations must not pay for one each. */
  #refuseWhileFull(): void {
    if (this.#clock.monotonicMs() < this.#fullUntilMs) {
      throw storeFull();
    }
  }

  #put(session: MemorySession, nowMs: number): void {
    const options = { bytes: sessionBytes(session), expiresAtMs: endOf(session), nowMs };
    this.#sessions.set(session.handle, session, options);
  }
}

function storeFull(): StoreError {
  return new StoreError('full', 'the memory store holds as many sessions as it may, wanted room for one more');
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
  return session.data.size > DATA_FIELDS_MAX || session.dataBytes > DATA_BYTES_MAX;
}

/** Copies: a value of a request is a view that would keep the whole message in memory. */
function copied(data: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const copies = new Map<string, Buffer>();
  for (const [name, value] of data) {
    const copy = Buffer.allocUnsafeSlow(value.length);
    value.copy(copy);
    copies.set(name, copy);
  }
  return copies;
}

function bytesOf(data: ReadonlyMap<string, Buffer>): number {
  let bytes = 0;
  for (const [name, value] of data) {
    bytes += fieldBytes(name, value);
  }
  return bytes;
}

function sessionBytes(session: MemorySession): number {
  let labelBytes = 0;
  for (const [name, value] of session.labels) {
    labelBytes += LABEL_OVERHEAD_BYTES + 2 * (name.length + value.length);
  }
  return SESSION_OVERHEAD_BYTES + session.data.size * FIELD_OVERHEAD_BYTES + session.dataBytes + labelBytes;
}
