/**
 * What a session is: its ids, its record, its bounds and the arithmetic of its ends. Pure; both stores live on it.
 *
 * A session id is `<selector>.<secret>`, 128 random bits each. The store sees neither: the key is named by the handle
 * (a hash of the selector), and what proves the right to use the session is the verifier (a hash of the secret). So
 * nobody who reads the store, its dump or its replication stream can present a session, and rotation is a new secret
 * under the same handle: one step on one key.
 */
import { hash } from 'node:crypto';
import { MAX_SESSION_TTL_MS } from '../config/policy-file.ts';

/** What a caller may present as an id; longer is a mistake of the caller's, not an unknown session. */
export const MAX_SESSION_ID_BYTES = 256;
/** Longer than the ids of all known identity providers (a subject of OpenID Connect has at most 255 ASCII characters). */
export const MAX_USER_ID_BYTES = 256;
/** A hash of this many fields is read in one script without holding up the server noticeably. */
export const MAX_DATA_FIELDS = 256;
export const MAX_DATA_FIELD_NAME_BYTES = 256;
/** Names and values together. Every GetSession carries all of it; what is larger belongs into the cache. */
export const MAX_DATA_BYTES = 262_144;
export const MAX_LABELS = 16;
export const MAX_LABEL_NAME_BYTES = 64;
export const MAX_LABEL_VALUE_BYTES = 256;
/** Names and values together: a list of 1,000 sessions must fit into a gRPC message of 4 MiB, the default of clients. */
export const MAX_LABELS_BYTES = 2_048;
/** Sessions that a user's list knows; the older ones stay valid and are reached by the generation alone. */
export const MAX_LISTED_SESSIONS = 1_000;
/** How many of the oldest leave a full list at once, so that a full list is sorted once per so many logins. */
export const LISTED_SESSIONS_DROPPED = 50;
/** Calls in flight when a session is rotated are over by then. */
export const MAX_GRACE_MS = 30_000;
/**
 * A handle enters the user's list before its session exists (creation) or is the user's (login). A list that finds such an
 * entry without its session leaves it alone for this long: longer than the call that is about to make it true may take.
 */
export const LIST_ENTRY_SETTLES_MS = 60_000;
/**
 * With a user limit, a handle in the list whose session is not there counts for this long, and the login has this long to make it true.
 * Short, because a login that was cut off in between takes the place of another one meanwhile.
 */
export const LOGIN_SETTLES_MS = 2_000;
/** How much longer than its longest session a user's generation lives: covers clocks of different masters that differ. */
export const USER_TTL_MARGIN_MS = 3_600_000;

const PART_BYTES = 16;
const HANDLE_CHARACTERS = 24;
const ID_PATTERN = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})$/;
const HANDLE_PATTERN = /^[A-Za-z0-9_-]{24}$/;

/** What a store needs of a session id. */
export interface SessionCredential {
  readonly handle: string;
  readonly verifier: string;
}

export interface IssuedSessionId {
  /** For the caller, and nobody else. */
  readonly sessionId: string;
  readonly selector: string;
  readonly credential: SessionCredential;
}

export type RandomBytes = (size: number) => Buffer;

/** A new id; with `selector`, a new secret for the session that has it. */
export function issueSessionId(random: RandomBytes, selector = randomPart(random)): IssuedSessionId {
  const secret = randomPart(random);
  return {
    sessionId: `${selector}.${secret}`,
    selector,
    credential: { handle: handleOf(selector), verifier: hash('sha256', secret, 'base64url') },
  };
}

/** The parts of a presented id, or undefined for what cannot be the id of any session. */
export function parseSessionId(sessionId: string): { selector: string; credential: SessionCredential } | undefined {
  const match = ID_PATTERN.exec(sessionId);
  if (match === null) {
    return undefined;
  }
  const [, selector = '', secret = ''] = match;
  return { selector, credential: { handle: handleOf(selector), verifier: hash('sha256', secret, 'base64url') } };
}

/** Whether any session can have this handle. */
export function isHandle(text: string): boolean {
  return HANDLE_PATTERN.test(text);
}

function randomPart(random: RandomBytes): string {
  return random(PART_BYTES).toString('base64url');
}

function handleOf(selector: string): string {
  return hash('sha256', selector, 'base64url').slice(0, HANDLE_CHARACTERS);
}

/** A live session as its store has it. */
export interface SessionRecord {
  readonly handle: string;
  /** Empty: nobody's. */
  readonly userId: string;
  readonly data: ReadonlyMap<string, Buffer>;
  readonly version: number;
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
  readonly idleTtlMs: number;
  readonly absoluteEndMs: number;
}

/** A live session in the list of its user. */
export interface ListedSession {
  readonly handle: string;
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
  readonly expiresAtMs: number;
  readonly labels: ReadonlyMap<string, string>;
}

/** Fields to set and to remove, in one step; no name is in both. */
export interface DataChange {
  readonly set: ReadonlyMap<string, Buffer>;
  readonly remove: ReadonlySet<string>;
}

export function changesData(change: DataChange): boolean {
  return change.set.size > 0 || change.remove.size > 0;
}

/** What a field costs of MAX_DATA_BYTES. */
export function fieldBytes(name: string, value: Buffer): number {
  return Buffer.byteLength(name) + value.length;
}

/** The earlier of the idle and the absolute end. */
export function endOf(session: { lastSeenAtMs: number; idleTtlMs: number; absoluteEndMs: number }): number {
  return Math.min(session.lastSeenAtMs + session.idleTtlMs, session.absoluteEndMs);
}

/** A read within this time of the last one leaves the stored time alone: one write per second and session is enough. */
export function touchIntervalMs(idleTtlMs: number): number {
  return Math.min(1_000, Math.floor(idleTtlMs / 100));
}

/** The absolute end after an update: counted from now, and never beyond the longest life, counted from creation. */
export function updatedAbsoluteEnd(createdAtMs: number, nowMs: number, absoluteTtlMs: number): number {
  return Math.min(nowMs + absoluteTtlMs, createdAtMs + MAX_SESSION_TTL_MS);
}

export function byNewestFirst(left: ListedSession, right: ListedSession): number {
  if (left.createdAtMs !== right.createdAtMs) {
    return right.createdAtMs - left.createdAtMs;
  }
  return left.handle < right.handle ? -1 : 1;
}
