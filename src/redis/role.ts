/**
 * What a server says of itself: the questions for its role, and their replies read into one word. Pure.
 *
 * `unknown` is a server that reports neither (no permission, command disabled): callers assume that it is a master.
 */
import type { RedisReply } from './commands.ts';

export type ServerRole = 'master' | 'replica' | 'unknown';

export interface RoleQuestion {
  readonly command: readonly string[];
  readonly parse: (reply: RedisReply) => ServerRole;
}

/** The first is asked until the server refuses it for good, then the next; after the last one the server is assumed to be a master. */
export const ROLE_QUESTIONS: readonly RoleQuestion[] = [
  { command: ['ROLE'], parse: parseRole },
  { command: ['INFO', 'replication'], parse: (reply) => parseInfoRole(String(reply)) },
];

/** The user lacks the permission, or the server does not know the command; not BUSY and the like. */
export function isRefusedForGood(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR)\b/.test(error.message);
}

/** Of the reply of ROLE, whose first element is the role; an error or any other form is `unknown`. */
export function parseRole(reply: unknown): ServerRole {
  if (!Array.isArray(reply)) {
    return 'unknown';
  }
  const [first] = reply as readonly unknown[];
  return typeof first === 'string' || Buffer.isBuffer(first) ? roleOfWord(String(first)) : 'unknown';
}

/** Of the reply of ROLE. */
export function isSentinel(reply: unknown): boolean {
  return Array.isArray(reply) && String(reply[0]) === 'sentinel';
}

/** Of the text of INFO replication, which says `role:master` or `role:slave` in a line of its own. */
export function parseInfoRole(text: string): ServerRole {
  return roleOfWord(/^role:(\w+)/m.exec(text)?.[1] ?? '');
}

function roleOfWord(word: string): ServerRole {
  switch (word) {
    case 'master':
      return 'master';
    case 'slave':
    case 'replica':
      return 'replica';
    default:
      return 'unknown';
  }
}
