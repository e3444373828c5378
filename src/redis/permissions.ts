/**
 * What the ACL user must be allowed to do, as the probe asks for it. docs/operations/redis.md lists the union, and the commands that the probe need not
 * ask for (test/support/redis/documented-permissions.ts).
 *
 *   1. A command that a script or a store sends stands here with every family of keys that it is used on; tests read the scripts and the
 *      documented list, and fail where one of them and this table differ.
 *   2. Missing permissions are named as an ACL rule names them: `+hset`, `~pannier:rl:*`, `&pannier:cache-inv:*`.
 */

/** What stands between the prefix and the first colon of a key (keyspace.ts). */
export type KeyFamily = 'rl' | 'session' | 'user' | 'cache' | 'cache-seq' | 'cache-tag' | 'cache-inv';

/** The part of Pannier that a connection serves. */
export type PermissionArea = 'state' | 'cache';

/** Per area and family of keys, the commands that are used on it. */
export const KEY_COMMANDS: Readonly<Record<PermissionArea, Readonly<Partial<Record<KeyFamily, readonly string[]>>>>> = {
  state: {
    rl: ['hdel', 'hget', 'hgetall', 'hlen', 'hmget', 'hscan', 'hset', 'pexpireat', 'unlink'],
    session: ['exists', 'hdel', 'hexists', 'hgetall', 'hmget', 'hset', 'hstrlen', 'pexpireat', 'unlink'],
    user: [
      'exists',
      'hdel',
      'hexists',
      'hget',
      'hgetall',
      'hincrby',
      'hkeys',
      'hlen',
      'hmget',
      'hset',
      'pexpireat',
      'unlink',
    ],
  },
  cache: {
    cache: ['getrange', 'set', 'strlen', 'unlink'],
    'cache-seq': ['hget', 'hmget', 'hset', 'pexpire', 'unlink'],
    'cache-tag': ['get', 'mget', 'pexpire', 'pttl', 'set', 'unlink'],
    'cache-inv': ['hmget', 'spublish'],
  },
};

/** Scripts name all their keys, and are sent in these ways. */
export const SCRIPT_COMMANDS: readonly string[] = ['evalsha', 'evalsha_ro'];

/** Commands without a key that calls need. ASKING is sent in a Cluster alone. */
export const CALL_COMMANDS: readonly string[] = ['script|load', 'time', 'asking'];

/** The detail of an error about these permissions; none: it is not known which. */
export function missingPermissionText(names: readonly string[]): string {
  if (names.length === 0) {
    return 'the ACL user lacks a permission (see docs/operations/redis.md for the list)';
  }
  const shown = names.slice(0, MAX_SHOWN).join(' ');
  const others = names.length > MAX_SHOWN ? ` and ${names.length - MAX_SHOWN} more` : '';
  const noun = names.length === 1 ? 'the permission' : 'the permissions';
  return `the ACL user lacks ${noun} ${shown}${others} (see docs/operations/redis.md for the list)`;
}

const MAX_SHOWN = 8;

/** The name of the command that an error reply refuses, as a permission; undefined where the reply is about a key or a channel. */
export function refusedCommandIn(reply: string): string | undefined {
  const command = /\brun the '([a-z_|-]+)' command/i.exec(reply)?.[1];
  return command === undefined ? undefined : `+${command.toLowerCase()}`;
}
