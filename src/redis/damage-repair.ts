/**
 * Chooses the script that repairs a damaged value before the failed command is sent once more. Pure.
 *
 * Two error codes indicate damage:
 *   - WRONGTYPE means that the key does not have the type that our commands expect. remove-wrong-type.lua removes the
 *     key.
 *   - DAMAGED is the error code that our scripts return if a value of the current layout is unreadable. A script that
 *     writes has already removed the value. A script that only reads has a `repair` script, which removes the value.
 *
 * The scripts remove only values that cannot have a newer layout. They keep a value of a newer layout, and calls that
 * need the value fail with FAILED_PRECONDITION (docs/internals/formats.md). After a removal, the affected limit counts
 * from zero, a read of the affected cache entry is a miss, and calls for the affected session return NOT_FOUND. If the
 * record of a user is removed, the user has no valid session, so no ended session becomes valid again.
 */
import type { RedisArgument } from './commands.ts';
import { type KeyType, loadScript, type Script } from './lua-script.ts';

export interface Repair {
  readonly script: Script;
  readonly keys: readonly RedisArgument[];
  readonly args: readonly RedisArgument[];
}

interface RepairableCommand {
  readonly command: readonly RedisArgument[];
  readonly script: Script | undefined;
  /** Expected type of the key of a command that runs no script. If undefined, the key is never removed. */
  readonly keyType?: KeyType | undefined;
}

/** Script that removes keys of the wrong type. This constant is exported for tests that check every script. */
export const removeWrongType = loadScript(
  'remove-wrong-type',
  ['src/redis/scripts/remove-wrong-type.lua'],
  'write_in_place',
  {
    keyTypes: [],
  },
);

/**
 * Returns the repair, `none` if the command can be repeated without a repair, or `impossible` if the key types are
 * unknown.
 */
export function repairOf(
  code: string,
  { command, script, keyType }: RepairableCommand,
): Repair | 'none' | 'impossible' {
  const keys = script === undefined ? command.slice(1, 2) : command.slice(3, 3 + Number(command[2]));
  if (code === 'DAMAGED') {
    return script?.repair === undefined ? 'none' : { script: script.repair, keys, args: [] };
  }
  const types = script?.keyTypes ?? (keyType === undefined ? [] : [keyType]);
  const last = types.at(-1);
  if (last === undefined) {
    return 'impossible';
  }
  return { script: removeWrongType, keys, args: keys.map((_, index) => types[index] ?? last) };
}
