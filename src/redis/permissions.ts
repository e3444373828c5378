/**
 * What the ACL user must be allowed to do: the one table. The probe asks for each row, and docs/redis.md lists their union.
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

/** What the subscriber connection needs beside `hmget` of its channels and their sequences. */
export const SUBSCRIBER_COMMANDS: readonly string[] = ['client|info', 'ssubscribe', 'sunsubscribe'];

/** Sent while connecting, where the refusal is met at once, or such that all works without (docs/redis.md says what is lost). */
export const UNPROBED_COMMANDS: readonly string[] = [
  'hello',
  'auth',
  'ping',
  'client|setname',
  'cluster|slots',
  'role',
  'info',
];

/** On the `format` keys: without them calls are served without that check (format-guard.ts). */
export const FORMAT_COMMANDS: readonly string[] = ['get', 'set'];

/** The detail of an error about these permissions; none: it is not known which. */
export function missingPermissionText(names: readonly string[]): string {
  if (names.length === 0) {
    return 'the ACL user lacks a permission (see docs/redis.md for the list)';
  }
  const shown = names.slice(0, MAX_SHOWN).join(' ');
  const others = names.length > MAX_SHOWN ? ` and ${names.length - MAX_SHOWN} more` : '';
  const noun = names.length === 1 ? 'the permission' : 'the permissions';
  return `the ACL user lacks ${noun} ${shown}${others} (see docs/redis.md for the list)`;
}

const MAX_SHOWN = 8;

/** The name of the command that an error reply refuses, as a permission; undefined where the reply is about a key or a channel. */
export function refusedCommandIn(reply: string): string | undefined {
  const command = /\brun the '([a-z_|-]+)' command/i.exec(reply)?.[1];
  return command === undefined ? undefined : `+${command.toLowerCase()}`;
}
