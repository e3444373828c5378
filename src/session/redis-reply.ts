/**
 * Reads what the scripts of src/session/scripts/ answer. The names of the fields stand in session-common.lua.
 *
 *   1. A session or user of a layout that this release does not know is refused (StoredFormatError), never misread.
 *   2. A reply of another form is a broken script or a damaged session, not a failure of the store: it throws a TypeError.
 */
import { StoredFormatError } from '../lib/store-error.ts';
import type { RedisReply } from '../redis/commands.ts';
import { endOf, type ListedSession, type SessionRecord } from './model.ts';
import type { NewSession } from './store.ts';

/** LAYOUT of session-common.lua and user-common.lua. */
const LAYOUT = '1';
/** UNKNOWN_LAYOUT of session-common.lua. */
const UNKNOWN_LAYOUT = -1;
/** What listedSessionOf reads of a session's hash, in this order. */
export const LISTED_FIELDS = ['y', 'u', 'g', 'c', 's', 'i', 'a', 'l'] as const;
/** What generationOf reads of a user's hash, in this order. */
export const GENERATION_FIELDS = ['y', 'i', 'n', 'k'] as const;

export interface RedisSession extends SessionRecord {
  /** The generation of its user that it bears; empty for nobody's. */
  readonly generation: string;
}

export interface StoredListedSession extends ListedSession {
  readonly userId: string;
  readonly generation: string;
}

/** What a user's hash says of which sessions are valid. */
export interface UserGeneration {
  readonly generation: string;
  /** `<handle> <generation>` of the session that is valid with an older one, or empty. */
  readonly kept: string;
}

/** The reply of a script of a session's hash; throws where the script could not read the session. */
export function knownReply(reply: RedisReply): RedisReply {
  if (reply === UNKNOWN_LAYOUT) {
    throw unknownLayout('session');
  }
  return reply;
}

export function listOf(reply: RedisReply | undefined): RedisReply[] {
  if (!Array.isArray(reply)) {
    throw new TypeError('Cannot read the reply of a session script: expected a list');
  }
  return reply;
}

export function textOf(reply: RedisReply | undefined): string {
  if (typeof reply === 'string') {
    return reply;
  }
  if (!Buffer.isBuffer(reply)) {
    throw new TypeError('Cannot read the reply of a session script: expected text');
  }
  return reply.toString();
}

export function numberOf(reply: RedisReply | undefined): number {
  // Number('') would be 0.
  const number = typeof reply === 'number' ? reply : Number(textOf(reply) || Number.NaN);
  if (!Number.isSafeInteger(number)) {
    throw new TypeError('Cannot read the reply of a session script: expected an integer');
  }
  return number;
}

/** The session whose fields and values these are, as HGETALL gives them. */
export function sessionOf(handle: string, reply: RedisReply | undefined): RedisSession {
  const fields = new Map<string, RedisReply>();
  const data = new Map<string, Buffer>();
  const list = listOf(reply);
  for (let index = 0; index < list.length; index += 2) {
    const name = textOf(list[index]);
    const value = list[index + 1];
    if (!name.startsWith('f:')) {
      fields.set(name, value ?? null);
    } else if (Buffer.isBuffer(value)) {
      data.set(name.slice(2), value);
    }
  }
  return {
    handle,
    userId: textOf(fields.get('u')),
    generation: textOf(fields.get('g')),
    data,
    version: numberOf(fields.get('n')),
    createdAtMs: numberOf(fields.get('c')),
    lastSeenAtMs: numberOf(fields.get('s')),
    idleTtlMs: numberOf(fields.get('i')),
    absoluteEndMs: numberOf(fields.get('a')),
  };
}

/** As create.lua has stored it at that time of the server. */
export function createdSession(created: NewSession, nowMs: number): SessionRecord {
  const { credential, userId, data, idleTtlMs, absoluteTtlMs } = created;
  const times = { createdAtMs: nowMs, lastSeenAtMs: nowMs, absoluteEndMs: nowMs + absoluteTtlMs };
  return { handle: credential.handle, userId, data, version: 1, idleTtlMs, ...times };
}

/** Of GENERATION_FIELDS; undefined where there is no user. */
export function generationOf(reply: RedisReply | undefined): UserGeneration | undefined {
  const [layout, incarnation, number, kept] = listOf(reply);
  if (isMissing(layout) && isMissing(incarnation)) {
    return undefined;
  }
  checkLayout('user', layout);
  if (isMissing(incarnation) || isMissing(number) || isMissing(kept)) {
    // It is damaged: no session is valid, and the next script that writes to it removes it.
    return undefined;
  }
  return { generation: `${textOf(incarnation)}:${textOf(number)}`, kept: textOf(kept) };
}

/** Whether a session with this generation is valid. */
export function accepts(user: UserGeneration | undefined, session: { handle: string; generation: string }): boolean {
  if (user === undefined) {
    return false;
  }
  return user.generation === session.generation || user.kept === `${session.handle} ${session.generation}`;
}

/** Of LISTED_FIELDS; undefined where there is no session. */
export function listedSessionOf(handle: string, reply: RedisReply): StoredListedSession | undefined {
  const [layout, user, generation, created, seen, idle, end, labels] = listOf(reply);
  if (isMissing(layout) && isMissing(user)) {
    return undefined;
  }
  checkLayout('session', layout);
  const times = { lastSeenAtMs: numberOf(seen), idleTtlMs: numberOf(idle), absoluteEndMs: numberOf(end) };
  return {
    handle,
    userId: textOf(user),
    generation: textOf(generation),
    createdAtMs: numberOf(created),
    lastSeenAtMs: times.lastSeenAtMs,
    expiresAtMs: endOf(times),
    labels: labelsOf(labels),
  };
}

function labelsOf(reply: RedisReply | undefined): ReadonlyMap<string, string> {
  try {
    return new Map(JSON.parse(textOf(reply)) as [string, string][]);
  } catch {
    // Damaged ones are for display only: the session is valid without them.
    return new Map();
  }
}

export function labelsText(labels: ReadonlyMap<string, string>): string {
  return JSON.stringify([...labels]);
}

function checkLayout(what: 'session' | 'user', layout: RedisReply | undefined): void {
  if (isMissing(layout) || textOf(layout) !== LAYOUT) {
    throw unknownLayout(what);
  }
}

function unknownLayout(what: 'session' | 'user'): StoredFormatError {
  const detail = `the ${what} is stored in a layout that this release does not know (it knows ${LAYOUT}); upgrade this sidecar`;
  return new StoredFormatError(detail);
}

function isMissing(reply: RedisReply | undefined): reply is null | undefined {
  return reply === null || reply === undefined;
}
