/**
 * Defines the commands that query the role of a server, and parses their replies. Pure.
 *
 * The role is `unknown` if the server reports no role (missing permission, disabled command). Callers then assume that
 * the server is a master.
 */
import type { RedisReply } from './commands.ts';

export type ServerRole = 'master' | 'replica' | 'unknown';

export interface RoleQuestion {
  readonly command: readonly string[];
  readonly parse: (reply: RedisReply) => ServerRole;
}

/**
 * Role queries in order of preference. Each further query is used once the server has permanently rejected the previous
 * one. If the server has rejected all queries, callers assume that it is a master.
 */
export const ROLE_QUESTIONS: readonly RoleQuestion[] = [
  { command: ['ROLE'], parse: parseRole },
  { command: ['INFO', 'replication'], parse: (reply) => parseInfoRole(String(reply)) },
];

/**
 * Returns whether the user lacks the permission or the server does not know the command. Other errors, such as BUSY,
 * are temporary.
 */
export function isRefusedForGood(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR)\b/.test(error.message);
}

/** Returns the role in the first element of a ROLE reply; `unknown` for an error or any other form. */
export function parseRole(reply: unknown): ServerRole {
  if (!Array.isArray(reply)) {
    return 'unknown';
  }
  const [first] = reply as readonly unknown[];
  return typeof first === 'string' || Buffer.isBuffer(first) ? roleOfWord(String(first)) : 'unknown';
}

/** Returns whether a ROLE reply comes from a Sentinel. */
export function isSentinel(reply: unknown): boolean {
  return Array.isArray(reply) && String(reply[0]) === 'sentinel';
}

/** Returns the role in the text of INFO replication, which contains the line `role:master` or `role:slave`. */
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
