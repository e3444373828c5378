/**
 * Defines session ids, records, bounds and expiry arithmetic for both stores. All functions are pure.
 *
 * A session id is `<selector>.<secret>`, and each part has 128 random bits. The store receives neither part. The
 * handle, a hash of the selector, identifies the session's key. The verifier, a hash of the secret, authorizes the
 * caller. Therefore the data, the dumps and the replication stream of the store never reveal a session id. A rotation
 * replaces the verifier under the same handle, so a rotation is one step on one key.
 */
import { hash } from 'node:crypto';
import { MAX_SESSION_TTL_MS } from '../config/policy-file.ts';

/**
 * Maximum length of an id in a request. The service treats a longer id as an invalid argument, not as an unknown
 * session.
 */
export const MAX_SESSION_ID_BYTES = 256;
/**
 * Maximum length of a user id. The maximum exceeds the length of the ids from known identity providers (a subject of
 * OpenID Connect has at most 255 ASCII characters).
 */
export const MAX_USER_ID_BYTES = 256;
/** Maximum number of data fields. A script can read this many fields without blocking the server noticeably. */
export const MAX_DATA_FIELDS = 256;
export const MAX_DATA_FIELD_NAME_BYTES = 256;
/**
 * Maximum size of data, including field names. GetSession always returns all of the data, so larger values belong in
 * the cache.
 */
export const MAX_DATA_BYTES = 262_144;
export const MAX_LABELS = 16;
export const MAX_LABEL_NAME_BYTES = 64;
export const MAX_LABEL_VALUE_BYTES = 256;
/**
 * Maximum size of labels, including names. A list of 1,000 sessions with their labels must fit into a gRPC message of 4
 * MiB, which is the default limit of clients.
 */
export const MAX_LABELS_BYTES = 2_048;
/**
 * Maximum number of sessions in the list of a user. Older sessions stay valid, but no list contains them. A logout
 * everywhere also ends these unlisted sessions.
 */
export const MAX_LISTED_SESSIONS = 1_000;
/**
 * Number of oldest entries that a store removes from a full list at once, so that the Lua script sorts the list only
 * once per 50 logins.
 */
export const LISTED_SESSIONS_DROPPED = 50;
/**
 * Maximum grace period after a rotation. Calls that were in flight during the rotation should have reached the store by
 * then.
 */
export const MAX_GRACE_MS = 30_000;
/**
 * Minimum age at which ListUserSessions may remove a list entry that has no session. A store lists a handle before it
 * creates the session or assigns the session to the user, so this age must exceed the duration of such a call.
 */
export const LIST_ENTRY_SETTLES_MS = 60_000;
/**
 * Time within which a login under a user limit must create its session; until then, the limit counts the list entry of
 * the login as a session. The time is short, because the entry of an interrupted login can block another login for this
 * long.
 */
export const LOGIN_SETTLES_MS = 2_000;
/**
 * Time by which a user's record outlives the user's last session. This margin covers clock differences between masters.
 */
export const USER_TTL_MARGIN_MS = 3_600_000;

const PART_BYTES = 16;
const HANDLE_CHARACTERS = 24;
const ID_PATTERN = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})$/;
const HANDLE_PATTERN = /^[A-Za-z0-9_-]{24}$/;

/** Parts of a session id that a store needs. */
export interface SessionCredential {
  readonly handle: string;
  readonly verifier: string;
}

export interface IssuedSessionId {
  /** Complete id. Only the caller for whom the id was issued may receive it. */
  readonly sessionId: string;
  readonly selector: string;
  readonly credential: SessionCredential;
}

export type RandomBytes = (size: number) => Buffer;

/** Returns a new id. With `selector`, returns an id with a new secret for the existing session. */
export function issueSessionId(random: RandomBytes, selector = randomPart(random)): IssuedSessionId {
  const secret = randomPart(random);
  return {
    sessionId: `${selector}.${secret}`,
    selector,
    credential: { handle: handleOf(selector), verifier: hash('sha256', secret, 'base64url') },
  };
}

/** Returns the parts of a session id from a request, or undefined if the text cannot be the id of any session. */
export function parseSessionId(sessionId: string): { selector: string; credential: SessionCredential } | undefined {
  const match = ID_PATTERN.exec(sessionId);
  if (match === null) {
    return undefined;
  }
  const [, selector = '', secret = ''] = match;
  return { selector, credential: { handle: handleOf(selector), verifier: hash('sha256', secret, 'base64url') } };
}

/** Returns whether the text has the form of a handle. */
export function isHandle(text: string): boolean {
  return HANDLE_PATTERN.test(text);
}

function randomPart(random: RandomBytes): string {
  return random(PART_BYTES).toString('base64url');
}

function handleOf(selector: string): string {
  return hash('sha256', selector, 'base64url').slice(0, HANDLE_CHARACTERS);
}

/** Live session as a store returns it. */
export interface SessionRecord {
  readonly handle: string;
  /** User id; empty if the session has no user. */
  readonly userId: string;
  readonly data: ReadonlyMap<string, Buffer>;
  readonly version: number;
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
  readonly idleTtlMs: number;
  readonly absoluteEndMs: number;
}

/** Live session in the list of its user. */
export interface ListedSession {
  readonly handle: string;
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
  readonly expiresAtMs: number;
  readonly labels: ReadonlyMap<string, string>;
}

/** Data fields to set and to remove in one step. No name occurs in both collections. */
export interface DataChange {
  readonly set: ReadonlyMap<string, Buffer>;
  readonly remove: ReadonlySet<string>;
}

export function changesData(change: DataChange): boolean {
  return change.set.size > 0 || change.remove.size > 0;
}

/** Returns the size of a data field: the bytes of its name and its value. MAX_DATA_BYTES limits the total size. */
export function fieldBytes(name: string, value: Buffer): number {
  return Buffer.byteLength(name) + value.length;
}

/** Returns the expiry of a session: the earlier of its idle and its absolute expiry. */
export function endOf(session: { lastSeenAtMs: number; idleTtlMs: number; absoluteEndMs: number }): number {
  return Math.min(session.lastSeenAtMs + session.idleTtlMs, session.absoluteEndMs);
}

/**
 * Returns the minimum age at which a read renews the last-seen time. This minimum limits how often reads cause writes.
 */
export function touchIntervalMs(idleTtlMs: number): number {
  return Math.min(1_000, Math.floor(idleTtlMs / 100));
}

/**
 * Returns the absolute expiry after an update. The new timeout starts now, but the session never exceeds its maximum
 * lifetime, counted from its creation.
 */
export function updatedAbsoluteEnd(createdAtMs: number, nowMs: number, absoluteTtlMs: number): number {
  return Math.min(nowMs + absoluteTtlMs, createdAtMs + MAX_SESSION_TTL_MS);
}

export function byNewestFirst(left: ListedSession, right: ListedSession): number {
  if (left.createdAtMs !== right.createdAtMs) {
    return right.createdAtMs - left.createdAtMs;
  }
  return left.handle < right.handle ? -1 : 1;
}
