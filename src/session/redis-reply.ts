/**
 * Reads what the scripts of src/session/scripts/ answer. The names of the fields stand in session-common.lua.
 *
 *   1. A session or user of a layout that this release does not know is refused (StoredFormatError), never misread.
 *   2. Stored fields that cannot be read make a session `damaged`: its reader removes it.
 *   3. A reply of another form throws a plain Error (redis/script-reply.ts).
 */
import { StoredFormatError } from '../lib/store-error.ts';
import type { RedisReply } from '../redis/commands.ts';
import { asBytes, asCode, asList, asPairs, asText, integerIn, isMissing } from '../redis/script-reply.ts';
import { endOf, type ListedSession, type SessionRecord } from './model.ts';
import type { NewSession } from './store.ts';

/** LAYOUT of session-common.lua and user-common.lua. */
const LAYOUT = '1';
/** UNKNOWN_LAYOUT of session-common.lua. */
const UNKNOWN_LAYOUT = -1;
/** Codes of read.lua: what the caller presented, and whether the idle timeout is due to be renewed. */
const PREVIOUS_VERIFIER = 0;
const RENEWAL_DUE = 2;
const READ_CODES = [PREVIOUS_VERIFIER, 1, RENEWAL_DUE] as const;
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

/** The session whose fields and values these are, as HGETALL gives them. */
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

/** The reply of read.lua. `isCurrent`: the caller presented the current verifier, not the previous one within its grace. */
export function sessionReadOf(handle: string, reply: RedisReply) {
  const [codeReply, fields] = asList(reply, 2);
  const code = asCode(codeReply, READ_CODES);
  return {
    session: sessionOf(handle, fields),
    isCurrent: code !== PREVIOUS_VERIFIER,
    isRenewalDue: code === RENEWAL_DUE,
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
  const [layout, incarnation, number, kept] = asList(reply, GENERATION_FIELDS.length);
  if (isMissing(layout) && isMissing(incarnation)) {
    return undefined;
  }
  checkLayout('user', layout);
  if (isMissing(incarnation) || isMissing(number) || isMissing(kept)) {
    // It is damaged: no session is valid, and the next script that writes to it removes it.
    return undefined;
  }
  return { generation: `${asText(incarnation)}:${asText(number)}`, kept: asText(kept) };
}

/** Whether a session with this generation is valid. */
export function accepts(user: UserGeneration | undefined, session: { handle: string; generation: string }): boolean {
  if (user === undefined) {
    return false;
  }
  return user.generation === session.generation || user.kept === `${session.handle} ${session.generation}`;
}

/** Of LISTED_FIELDS; undefined where there is no session. */
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
    // Damaged ones are for display only: the session is valid without them.
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
  const detail = `the ${what} is stored in a layout that this release does not know (it knows ${LAYOUT}); upgrade this sidecar`;
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

/** Undefined where one of them is missing or no integer. */
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
