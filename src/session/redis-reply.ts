/**
 * Decodes the replies of the scripts in src/session/scripts/. session-common.lua and user-common.lua define the field
 * names.
 *
 * Invariants:
 *   1. If a session or user has an unknown layout, the decoder throws a StoredFormatError and never misreads the data.
 *   2. For a session with unreadable fields, the decoder returns `damaged`, and the store then removes the session.
 *   3. The decoder throws a plain Error for a malformed reply (redis/script-reply.ts).
 */
import { StoredFormatError } from '../lib/store-error.ts';
import type { RedisReply } from '../redis/commands.ts';
import { asBytes, asCode, asList, asPairs, asText, integerIn, isMissing } from '../redis/script-reply.ts';
import { endOf, type ListedSession, type SessionRecord } from './model.ts';
import type { NewSession } from './store.ts';

/** Layout of sessions and users; same value as LAYOUT in session-common.lua and user-common.lua. */
const LAYOUT = '1';
/** Reply for an unknown layout; same value as UNKNOWN_LAYOUT in session-common.lua. */
const UNKNOWN_LAYOUT = -1;
/** Codes of read.lua: which verifier the caller presented, and whether the store must renew the idle timeout. */
const PREVIOUS_VERIFIER = 0;
const RENEWAL_DUE = 2;
const READ_CODES = [PREVIOUS_VERIFIER, 1, RENEWAL_DUE] as const;
/** Fields of a session's hash that listedSessionOf expects, in this order. */
export const LISTED_FIELDS = ['y', 'u', 'g', 'c', 's', 'i', 'a', 'l'] as const;
/** Fields of a user's hash that generationOf expects, in this order. */
export const GENERATION_FIELDS = ['y', 'i', 'n', 'k'] as const;

export interface RedisSession extends SessionRecord {
  /** Generation that the user had when the session was assigned to the user; empty if the session has no user. */
  readonly generation: string;
}

export interface StoredListedSession extends ListedSession {
  readonly userId: string;
  readonly generation: string;
}

/** Fields of a user's hash that decide which sessions of the user are valid. */
export interface UserGeneration {
  readonly generation: string;
  /** `<handle> <generation>` of the session that stays valid with an older generation; empty if there is none. */
  readonly kept: string;
}

/** Returns the reply of a session script, or throws if the script found an unknown layout. */
export function knownReply(reply: RedisReply): RedisReply {
  if (reply === UNKNOWN_LAYOUT) {
    throw unknownLayout('session');
  }
  return reply;
}

/** Decodes a session from an HGETALL reply. */
export function sessionOf(handle: string, reply: RedisReply | undefined): RedisSession | 'damaged' {
  const fields = new Map<string, RedisReply>();
  const data = new Map<string, Buffer>();
  const list = asPairs(reply);
  for (let index = 0; index < list.length; index += 2) {
    const name = asText(list[index]);
    if (name.startsWith('f:')) {
      data.set(name.slice(2), asBytes(list[index + 1]));
    } else {
      fields.set(name, list[index + 1] ?? null);
    }
  }
  const userId = storedText(fields.get('u'));
  const generation = storedText(fields.get('g'));
  const version = storedInteger(fields.get('n'));
  const times = storedTimes({
    created: fields.get('c'),
    seen: fields.get('s'),
    idle: fields.get('i'),
    end: fields.get('a'),
  });
  if (userId === undefined || generation === undefined || version === undefined || times === undefined) {
    return 'damaged';
  }
  return { handle, userId, generation, data, version, ...times };
}

/**
 * Decodes the reply of read.lua. `isCurrent` is false if the caller presented the previous verifier within its grace
 * period.
 */
export function sessionReadOf(handle: string, reply: RedisReply) {
  const [codeReply, fields] = asList(reply, 2);
  const code = asCode(codeReply, READ_CODES);
  return {
    session: sessionOf(handle, fields),
    isCurrent: code !== PREVIOUS_VERIFIER,
    isRenewalDue: code === RENEWAL_DUE,
  };
}

/** Returns the session that create.lua stored at the server time `nowMs`. */
export function createdSession(created: NewSession, nowMs: number): SessionRecord {
  const { credential, userId, data, idleTtlMs, absoluteTtlMs } = created;
  const times = { createdAtMs: nowMs, lastSeenAtMs: nowMs, absoluteEndMs: nowMs + absoluteTtlMs };
  return { handle: credential.handle, userId, data, version: 1, idleTtlMs, ...times };
}

/** Decodes the values of GENERATION_FIELDS; undefined if the user does not exist. */
export function generationOf(reply: RedisReply | undefined): UserGeneration | undefined {
  const [layout, incarnation, number, kept] = asList(reply, GENERATION_FIELDS.length);
  if (isMissing(layout) && isMissing(incarnation)) {
    return undefined;
  }
  checkLayout('user', layout);
  if (isMissing(incarnation) || isMissing(number) || isMissing(kept)) {
    // The user's hash is damaged. None of the user's sessions is valid, and the next script that writes to the hash
    // deletes it.
    return undefined;
  }
  return { generation: `${asText(incarnation)}:${asText(number)}`, kept: asText(kept) };
}

/** Returns whether a session with this generation is valid. */
export function accepts(user: UserGeneration | undefined, session: { handle: string; generation: string }): boolean {
  if (user === undefined) {
    return false;
  }
  return user.generation === session.generation || user.kept === `${session.handle} ${session.generation}`;
}

/** Decodes the values of LISTED_FIELDS; undefined if the session does not exist. */
export function listedSessionOf(handle: string, reply: RedisReply): StoredListedSession | 'damaged' | undefined {
  const [layout, user, generation, created, seen, idle, end, labels] = asList(reply, LISTED_FIELDS.length);
  if (isMissing(layout) && isMissing(user)) {
    return undefined;
  }
  checkLayout('session', layout);
  const userId = storedText(user);
  const storedGeneration = storedText(generation);
  const times = storedTimes({ created, seen, idle, end });
  if (userId === undefined || storedGeneration === undefined || times === undefined) {
    return 'damaged';
  }
  const { createdAtMs, lastSeenAtMs } = times;
  const expiresAtMs = endOf(times);
  const listed = { handle, userId, createdAtMs, lastSeenAtMs, expiresAtMs, labels: labelsOf(storedText(labels)) };
  return { ...listed, generation: storedGeneration };
}

function labelsOf(text = ''): ReadonlyMap<string, string> {
  try {
    return new Map(JSON.parse(text) as [string, string][]);
  } catch {
    // Labels do not affect any decision, so a session with damaged labels stays valid.
    return new Map();
  }
}

export function labelsText(labels: ReadonlyMap<string, string>): string {
  return JSON.stringify([...labels]);
}

function checkLayout(what: 'session' | 'user', layout: RedisReply | undefined): void {
  if (isMissing(layout) || asText(layout) !== LAYOUT) {
    throw unknownLayout(what);
  }
}

function unknownLayout(what: 'session' | 'user'): StoredFormatError {
  const detail = `cannot read the ${what}: its layout is unknown to this release, which knows layout ${LAYOUT}; upgrade this sidecar`;
  return new StoredFormatError(detail);
}

function storedText(reply: RedisReply | undefined): string | undefined {
  return isMissing(reply) ? undefined : asText(reply);
}

function storedInteger(reply: RedisReply | undefined): number | undefined {
  const text = storedText(reply);
  return text === undefined ? undefined : integerIn(text);
}

type StoredTimes = Readonly<Record<'created' | 'seen' | 'idle' | 'end', RedisReply | undefined>>;
type SessionTimes = Pick<SessionRecord, 'createdAtMs' | 'lastSeenAtMs' | 'idleTtlMs' | 'absoluteEndMs'>;

/** Returns the decoded times, or undefined if a time is missing or not an integer. */
function storedTimes(replies: StoredTimes): SessionTimes | undefined {
  const createdAtMs = storedInteger(replies.created);
  const lastSeenAtMs = storedInteger(replies.seen);
  const idleTtlMs = storedInteger(replies.idle);
  const absoluteEndMs = storedInteger(replies.end);
  if (
    createdAtMs === undefined ||
    lastSeenAtMs === undefined ||
    idleTtlMs === undefined ||
    absoluteEndMs === undefined
  ) {
    return undefined;
  }
  return { createdAtMs, lastSeenAtMs, idleTtlMs, absoluteEndMs };
}
