/**
 * Lists the permissions that the probe checks. The ACL list in docs/operations/redis.md grants all of these
 * permissions, and also the commands that need no probe (test/support/redis/documented-permissions.ts).
 *
 *   1. Every command that a script or a store uses is listed, with each family of keys to which it is applied. Tests
 *      compare this table with the scripts and with the documented list.
 *   2. Missing permissions are named in the form of ACL rules, such as `+hset`, `~pannier:rl:*` and
 *      `&pannier:cache-inv:*`.
 */

/** Part of a key between the prefix and the first colon (keyspace.ts). */
export type KeyFamily = 'rl' | 'session' | 'user' | 'cache' | 'cache-seq' | 'cache-tag' | 'cache-inv';

/** Part of Pannier that a connection serves. */
export type PermissionArea = 'state' | 'cache';

/** Commands used on each family of keys, by area. */
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

/** Commands that run scripts. The arguments include all keys of the script. */
export const SCRIPT_COMMANDS: readonly string[] = ['evalsha', 'evalsha_ro'];

/** Commands that calls need and that have no key. ASKING is sent only in a Cluster. */
export const CALL_COMMANDS: readonly string[] = ['script|load', 'time', 'asking'];

/** Returns the error text for these permissions. An empty list means that the missing permission is unknown. */
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

/**
 * Returns the permission for the command that a NOPERM reply names; undefined if the reply names a key or a channel
 * instead.
 */
export function refusedCommandIn(reply: string): string | undefined {
  const command = /\brun the '([a-z_|-]+)' command/i.exec(reply)?.[1];
  return command === undefined ? undefined : `+${command.toLowerCase()}`;
}
