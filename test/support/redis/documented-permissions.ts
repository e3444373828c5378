/**
 * Lists the commands that docs/operations/redis.md grants in addition to the commands in the table of
 * src/redis/permissions.ts.
 */

/**
 * Commands of the subscriber connection. The connection also sends `hmget`, whose keys are the names of channels and
 * the keys of their sequences.
 */
export const SUBSCRIBER_COMMANDS: readonly string[] = ['client|info', 'ssubscribe', 'sunsubscribe'];

/**
 * Commands that are not probed. Some of these commands are sent while a connection is opened, so a refusal is detected
 * at once. Calls work without the other commands. docs/operations/redis.md states which functions are then missing.
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
