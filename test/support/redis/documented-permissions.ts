/**
 * Lists the commands that docs/operations/redis.md grants in addition to the table of src/redis/permissions.ts.
 */

/** Commands of the subscriber connection. It also uses `hmget`, with its channels and their sequences as keys. */
export const SUBSCRIBER_COMMANDS: readonly string[] = ['client|info', 'ssubscribe', 'sunsubscribe'];

/**
 * Commands that are not probed. Some are sent while a connection is opened, so a refusal is found at once. Calls work
 * without the other commands. docs/operations/redis.md states which functions are then missing.
 */
export const UNPROBED_COMMANDS: readonly string[] = [
  'hello',
  'auth',
  'ping',
  'client|setname',
  'cluster|slots',
  'role',
  'info',
];

/**
 * Commands on the `format` keys. If the user lacks these permissions, calls are served without the format check
 * (format-guard.ts).
 */
export const FORMAT_COMMANDS: readonly string[] = ['get', 'set'];
