/**
 * The commands that docs/operations/redis.md lists for the ACL user beside those in the table of src/redis/permissions.ts.
 */

/** What the subscriber connection needs beside `hmget` of its channels and their sequences. */
export const SUBSCRIBER_COMMANDS: readonly string[] = ['client|info', 'ssubscribe', 'sunsubscribe'];

/** Sent while connecting, where the refusal is met at once, or such that all works without (docs/operations/redis.md says what is lost). */
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
