/**
 * Reads what the scripts of src/session/scripts/ answer. The names of the fields stand in session-common.lua.
 *
 * A reply of another form is a broken script, not a failure of the store: it throws.
 */
import type { RedisReply } from '../redis/commands.ts';
import type { SessionRecord } from './session.ts';

export interface RedisSession extends SessionRecord {
  /** The generation of its user that it bears; empty for nobody's. */
  readonly generation: string;
}

/** What a user's hash says of which sessions are valid. */
export interface UserGeneration {
  readonly generation: string;
  /** `<handle> <generation>` of the session that is valid with an older one, or empty. */
  readonly kept: string;
}

export function listOf(reply: RedisReply | undefined): RedisReply[] {
  if (!Array.isArray(reply)) {
    throw new TypeError('Cannot read the reply of a session script: no list, wanted one');
  }
  return reply;
}

export function textOf(reply: RedisReply | undefined): string {
  if (typeof reply === 'string') {
    return reply;
  }
  if (!Buffer.isBuffer(reply)) {
    throw new TypeError('Cannot read the reply of a session script: no text, wanted some');
  }
  return reply.toString();
}

export function numberOf(reply: RedisReply | undefined): number {
  const number = typeof reply === 'number' ? reply : Number(textOf(reply));
  if (!Number.isSafeInteger(number)) {
    throw new TypeError('Cannot read the reply of a session script: no whole number, wanted one');
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

/** Of `i`, `n` and `k` of a user's hash; undefined where there is none. */
export function generationOf(reply: RedisReply | undefined): UserGeneration | undefined {
  const [incarnation, number, kept] = listOf(reply);
  if (incarnation === null || incarnation === undefined) {
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

export function labelsOf(reply: RedisReply | undefined): ReadonlyMap<string, string> {
  return new Map(JSON.parse(textOf(reply)) as [string, string][]);
}

export function labelsText(labels: ReadonlyMap<string, string>): string {
  return JSON.stringify([...labels]);
}
