/**
 * Stores sessions in Redis: one key per session, one key per user, and one script per step on a key.
 *
 * A session's key stores everything about the session, except whether a logout everywhere has ended it. The generation
 * in the user's key records such a logout. The user's key is in another slot, so the store reads it in a second step.
 * The order of the steps ensures that a failure or race between two steps can only invalidate a session, never revive
 * one. docs/internals/session-races.md lists the races.
 *
 * Invariants:
 *   1. The store satisfies the invariants of store.ts. No error contains an id, a verifier, a user or a value.
 *   2. A read writes nothing, so it works while Redis rejects writes. If the idle timeout must be renewed, a separate
 *      step renews it. If the renewal fails, the read returns the session with its current expiry.
 *   3. The store neither interprets nor changes a session or user with an unknown layout.
 */
import { randomBytes } from 'node:crypto';
import { MAX_SESSION_TTL_MS } from '../config/policy-file.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { harmless, StoreError } from '../lib/store-error.ts';
import type { RedisArgument, RedisCommands, RedisReply } from '../redis/commands.ts';
import type { Keyspace } from '../redis/keyspace.ts';
import { loadScript, type Script, type ScriptKind, type ScriptOptions, type ScriptStep } from '../redis/lua-script.ts';
import { asCode, asInteger, asList, asText, malformedReply } from '../redis/script-reply.ts';
import {
  byNewestFirst,
  type ListedSession,
  type RandomBytes,
  type SessionCredential,
  type SessionRecord,
} from './model.ts';
import { loginWithoutUser, RedisLogins } from './redis-logins.ts';
import {
  accepts,
  createdSession,
  knownReply,
  LISTED_FIELDS,
  listedSessionOf,
  type RedisSession,
  type StoredListedSession,
  sessionOf,
  sessionReadOf,
} from './redis-reply.ts';
import { RedisUsers } from './redis-users.ts';
import { changeArguments, createArguments, optional } from './script-arguments.ts';
import { afterwards, inParallel, unattended } from './steps.ts';
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

export interface RedisSessionStoreOptions {
  commands: RedisCommands;
  keyspace: Keyspace;
  /** Random source for the incarnations of users. */
  random?: RandomBytes;
  clock?: Clock;
}

const DIRECTORY = 'src/session/scripts';
/** Codes of update.lua. 1: updated, 2: the version is not the expected one, 3: the data would be too large. */
const UPDATE_CODES = [1, 2, 3] as const;
const ROTATE_CODES = [1, 3] as const;

export class RedisSessionStore implements SessionStore {
  readonly #commands: RedisCommands;
  readonly #keyspace: Keyspace;
  readonly #clock: Clock;
  readonly #users: RedisUsers;
  readonly #logins: RedisLogins;
  readonly #createScript = script('create', 'write');
  readonly #removeDamagedScript = script('remove-damaged', 'write_in_place');
  readonly #readScript = script('read', 'read', { repair: this.#removeDamagedScript });
  readonly #touchScript = script('touch', 'write_in_place');
  readonly #updateScript: Script;
  readonly #rotateScript = script('rotate', 'write');
  readonly #deleteScript = script('delete', 'write_in_place');
  readonly #dropScript = script('drop', 'write_in_place');

  constructor(options: RedisSessionStoreOptions) {
    this.#commands = options.commands;
    this.#keyspace = options.keyspace;
    this.#clock = options.clock ?? systemClock;
    this.#users = new RedisUsers({
      ...options,
      random: options.random ?? randomBytes,
      sessionScripts: { create: this.#createScript, rotate: this.#rotateScript },
    });
    this.#logins = new RedisLogins({
      users: this.#users,
      clock: this.#clock,
      readListed: (handle, deadlineAtMs) => this.#readListed(handle, deadlineAtMs),
      end: (handle, generation, deadlineAtMs) => this.#end(handle, [generation], deadlineAtMs),
    });
    // If an ACL forbids user-extend.lua, the update must fail before it changes anything.
    const leadsTo: ScriptStep = { script: this.#users.extendScript, families: ['user'] };
    this.#updateScript = { ...script('update', 'write'), leadsTo };
  }

  async create(created: NewSession, deadlineAtMs: number): Promise<CreateOutcome> {
    const { userId, credential, absoluteTtlMs, userLimit } = created;
    const { handle } = credential;
    // Adds the session to the user's list first, so that a logout everywhere in between invalidates the new session.
    const login =
      userId === ''
        ? loginWithoutUser(deadlineAtMs)
        : await this.#logins.enter({ next: 'create', userId, handle, absoluteTtlMs, limit: userLimit }, deadlineAtMs);
    if (login.outcome === 'user_full') {
      return login;
    }
    const step = this.#run(this.#createScript, handle, createArguments(created, login.generation), login.untilMs);
    const isLimited = userId !== '' && userLimit !== undefined;
    const reply = await (isLimited ? this.#logins.orGiveUp(step, created, deadlineAtMs) : step);
    return reply === null
      ? { outcome: 'exists' }
      : { outcome: 'created', session: createdSession(created, asInteger(reply)), evicted: login.evicted };
  }

  async read(
    credential: SessionCredential,
    options: { readonly touch: boolean },
    deadlineAtMs: number,
  ): Promise<SessionRecord | undefined> {
    return (await this.#readValid(credential, { ...options, deadlineAtMs }))?.session;
  }

  async update(credential: SessionCredential, update: SessionUpdate, deadlineAtMs: number): Promise<UpdateOutcome> {
    const args: RedisArgument[] = [
      credential.verifier,
      optional(update.ifVersion),
      optional(update.idleTtlMs),
      optional(update.absoluteTtlMs),
      String(MAX_SESSION_TTL_MS),
      ...changeArguments(update.change),
    ];
    const reply = await this.#run(this.#updateScript, credential.handle, args, deadlineAtMs);
    if (reply === null) {
      return { outcome: 'not_found' };
    }
    const [user, generation, codeReply, first, second, absoluteTtlMs] = asList(reply, 4);
    const code = asCode(codeReply, UPDATE_CODES);
    const session = { handle: credential.handle, userId: asText(user), generation: asText(generation) };
    const isDone = code === 1;
    const isLengthened = isDone && update.absoluteTtlMs !== undefined;
    const judgement = this.#isValid(session, isLengthened ? asInteger(absoluteTtlMs) : undefined, deadlineAtMs);
    const isValid = await (isDone ? afterwards(judgement) : harmless(judgement));
    if (!isValid) {
      return { outcome: 'not_found' };
    }
    if (code === 1) {
      return { outcome: 'updated', version: asInteger(first), expiresAtMs: asInteger(second) };
    }
    if (code === 2) {
      return { outcome: 'version_conflict', version: asInteger(first) };
    }
    return { outcome: 'too_large', fields: asInteger(first), bytes: asInteger(second) };
  }

  async rotate(credential: SessionCredential, rotation: SessionRotation, deadlineAtMs: number): Promise<RotateOutcome> {
    const { handle } = credential;
    // Checks the generation first, because a login must not revive a session that a logout everywhere has ended.
    const found = await this.#readValid(credential, { touch: false, deadlineAtMs });
    if (found === undefined || !found.isCurrent) {
      return { outcome: 'not_found' };
    }
    const old = found.session;
    const userId = rotation.userId ?? old.userId;
    // A rotation for the same user keeps the generation, so that a concurrent logout everywhere ends the session.
    const changesUser = userId !== old.userId;
    if (changesUser && rotation.graceMs > 0) {
      return { outcome: 'grace_refused' };
    }
    const remainingMs = old.absoluteEndMs - old.lastSeenAtMs;
    const isLogin = changesUser && userId !== '';
    const login = isLogin
      ? await this.#logins.enter(
          { next: 'rotate', userId, handle, absoluteTtlMs: remainingMs, limit: rotation.userLimit },
          deadlineAtMs,
        )
      : loginWithoutUser(deadlineAtMs);
    if (login.outcome === 'user_full') {
      return login;
    }
    const args: RedisArgument[] = [
      credential.verifier,
      rotation.verifier,
      String(rotation.graceMs),
      changesUser ? '1' : '0',
      userId,
      login.generation,
      ...changeArguments(rotation.change),
    ];
    const reply = await this.#run(this.#rotateScript, handle, args, login.untilMs);
    if (reply === null) {
      return { outcome: 'not_found' };
    }
    const [code, first, second] = asList(reply, 2);
    if (asCode(code, ROTATE_CODES) !== 1) {
      return { outcome: 'too_large', fields: asInteger(first), bytes: asInteger(second) };
    }
    if (changesUser && old.userId !== '') {
      // Waits for the removal, so that the next login of the old user does not count this session.
      await this.#users.forget(old.userId, handle, deadlineAtMs).catch(() => undefined);
    }
    const session = sessionOf(handle, first);
    if (session === 'damaged') {
      // This never happens with the current script, which has just checked the same fields.
      throw malformedReply('the fields of a session', first);
    }
    if (isLogin && session.absoluteEndMs > old.absoluteEndMs) {
      // A concurrent update has extended the session, so the store extends the expiry of the user's key as well.
      const extendedMs = session.absoluteEndMs - session.lastSeenAtMs;
      unattended(this.#users.extend(userId, handle, extendedMs, deadlineAtMs));
    }
    return { outcome: 'rotated', session, evicted: login.evicted };
  }

  async delete(
    target: { readonly handle: string; readonly verifier: string | undefined },
    deadlineAtMs: number,
  ): Promise<boolean> {
    const reply = await this.#run(this.#deleteScript, target.handle, [target.verifier ?? ''], deadlineAtMs);
    if (reply === null) {
      return false;
    }
    const [user = '', generation = ''] = asList(reply, 2).map(asText);
    if (user === '') {
      return true;
    }
    try {
      const current = await this.#users.forget(user, target.handle, deadlineAtMs);
      return accepts(current, { handle: target.handle, generation });
    } catch (error) {
      if (error instanceof StoreError) {
        // The session is deleted as requested, even if the store cannot read the user's key.
        return true;
      }
      throw error;
    }
  }

  async list(userId: string, deadlineAtMs: number): Promise<readonly ListedSession[]> {
    const { user, handles } = await harmless(this.#users.list(userId, deadlineAtMs));
    const found = await inParallel(handles, async (handle) => {
      const session = await harmless(this.#readListed(handle, deadlineAtMs));
      const isValid = session?.userId === userId && accepts(user, session);
      return isValid ? session : undefined;
    });
    const stale = handles.filter((_, index) => found[index] === undefined);
    if (stale.length > 0) {
      unattended(this.#users.forgetSettled(userId, stale, deadlineAtMs));
    }
    return found.filter((session) => session !== undefined).sort(byNewestFirst);
  }

  async endUserSessions(
    userId: string,
    except: SessionCredential | undefined,
    deadlineAtMs: number,
  ): Promise<EndUserSessionsOutcome> {
    const kept = except === undefined ? undefined : await this.#readValid(except, { touch: false, deadlineAtMs });
    if (except !== undefined && (kept?.isCurrent !== true || kept.session.userId !== userId)) {
      return { outcome: 'not_found' };
    }
    // The script checks the generation of the kept session again, because the session may have ended in between.
    const ended = await this.#users.end(userId, kept?.session, deadlineAtMs);
    if (ended === undefined) {
      return { outcome: 'not_found' };
    }
    const { before } = ended;
    if (before === undefined) {
      return { outcome: 'ended', deleted: 0 };
    }
    const [keptHandle, keptGeneration = ''] = before.kept.split(' ');
    const dropped = await inParallel(ended.handles, async (handle) => {
      const generations = handle === keptHandle ? [before.generation, keptGeneration] : [before.generation];
      return await this.#drop(handle, generations, deadlineAtMs);
    });
    return { outcome: 'ended', deleted: dropped.filter((isDropped) => isDropped).length };
  }

  /** Returns the valid session if the caller presents the current verifier, or the previous one in its grace period. */
  async #readValid(
    credential: SessionCredential,
    options: { readonly touch: boolean; readonly deadlineAtMs: number },
  ): Promise<{ readonly session: RedisSession; readonly isCurrent: boolean } | undefined> {
    const { handle, verifier } = credential;
    const { deadlineAtMs } = options;
    const reply = await harmless(this.#run(this.#readScript, handle, [verifier], deadlineAtMs));
    if (reply === null) {
      return undefined;
    }
    const read = sessionReadOf(handle, reply);
    const session = await this.#unlessDamaged(handle, read.session, deadlineAtMs);
    if (session === undefined) {
      return undefined;
    }
    // Requests the generation before the renewal, because CLIENT PAUSE WRITE blocks a connection that writes.
    const judgement = harmless(this.#isValid(session, undefined, deadlineAtMs));
    const isDue = options.touch && read.isRenewalDue;
    const [isValid, lastSeenAtMs] = await Promise.all([
      judgement,
      isDue ? this.#renew(credential, session.lastSeenAtMs, deadlineAtMs) : session.lastSeenAtMs,
    ]);
    return isValid ? { session: { ...session, lastSeenAtMs }, isCurrent: read.isCurrent } : undefined;
  }

  /** Returns the session, or removes it if it is damaged. */
  async #unlessDamaged<Value>(
    handle: string,
    session: Value | 'damaged',
    deadlineAtMs: number,
  ): Promise<Value | undefined> {
    if (session !== 'damaged') {
      return session;
    }
    await harmless(this.#run(this.#removeDamagedScript, handle, ['report'], deadlineAtMs));
    return undefined;
  }

  /** Renews the idle timeout; returns the last-seen time, which is unchanged if the renewal fails or takes too long. */
  async #renew(credential: SessionCredential, lastSeenAtMs: number, deadlineAtMs: number): Promise<number> {
    const nowMs = this.#clock.monotonicMs();
    // The renewal may take half of the remaining time, so that the read still returns before the deadline.
    const untilMs = nowMs + (deadlineAtMs - nowMs) / 2;
    try {
      const reply = await this.#run(this.#touchScript, credential.handle, [credential.verifier], untilMs);
      return reply === null ? lastSeenAtMs : Math.max(lastSeenAtMs, asInteger(reply));
    } catch (error) {
      if (error instanceof StoreError) {
        return lastSeenAtMs;
      }
      throw error;
    }
  }

  /** Returns whether the session is valid; removes an invalid session. `absoluteTtlMs` extends the user key's TTL. */
  async #isValid(
    session: { handle: string; userId: string; generation: string },
    absoluteTtlMs: number | undefined,
    deadlineAtMs: number,
  ): Promise<boolean> {
    const { handle, userId, generation } = session;
    if (userId === '') {
      return true;
    }
    const user =
      absoluteTtlMs === undefined
        ? await this.#users.generation(userId, deadlineAtMs)
        : await this.#users.extend(userId, handle, absoluteTtlMs, deadlineAtMs);
    if (accepts(user, session)) {
      return true;
    }
    unattended(this.#drop(handle, [generation], deadlineAtMs));
    return false;
  }

  async #readListed(handle: string, deadlineAtMs: number): Promise<StoredListedSession | undefined> {
    const key = this.#keyspace.session(handle);
    const reply = await this.#commands.send(key, ['HMGET', key, ...LISTED_FIELDS], deadlineAtMs, { keyType: 'hash' });
    return await this.#unlessDamaged(handle, listedSessionOf(handle, reply), deadlineAtMs);
  }

  /** Ends the session if it has one of the given generations; returns whether this call ended the session. */
  async #end(handle: string, generations: readonly string[], deadlineAtMs: number): Promise<boolean> {
    const removed = await this.#run(this.#dropScript, handle, generations, deadlineAtMs);
    return asCode(removed, [0, 1]) === 1;
  }

  /** Removes an invalid session; returns false if it was not removed. The session is invalid in either case. */
  async #drop(handle: string, generations: readonly string[], deadlineAtMs: number): Promise<boolean> {
    try {
      return await this.#end(handle, generations, deadlineAtMs);
    } catch (error) {
      if (error instanceof StoreError) {
        return false;
      }
      throw error;
    }
  }

  async #run(
    script: Script,
    handle: string,
    args: readonly RedisArgument[],
    deadlineAtMs: number,
  ): Promise<RedisReply> {
    return knownReply(await this.#commands.run(script, [this.#keyspace.session(handle)], args, deadlineAtMs));
  }
}

function script(name: string, kind: ScriptKind, options?: ScriptOptions): Script {
  return loadScript(`session-${name}`, [`${DIRECTORY}/session-common.lua`, `${DIRECTORY}/${name}.lua`], kind, options);
}
