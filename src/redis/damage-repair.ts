/**
 * Chooses the script that repairs a damaged value before the failed command is sent once more. Pure.
 *
 * Two error codes indicate damage:
 *   - WRONGTYPE means that the key does not have the type that our commands expect. remove-wrong-type.lua removes the
 *     key.
 *   - DAMAGED is an error code of our scripts for an unreadable value of the current layout. A script that writes has
 *     already removed the value. A script that only reads has a `repair` script, which removes the value.
 *
 * Only values that cannot belong to a newer layout are removed. A value of a newer layout stays, and calls that need
 * the value fail with FAILED_PRECONDITION (docs/internals/formats.md). After the removal, a limit starts from zero, a
 * read of the cache entry is a miss, and calls for the session return NOT_FOUND. A user whose record was removed has no
 * valid session, so no ended session becomes valid again.
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
  /** Type that the key of a command outside of scripts should have. If unset, the key is never removed. */
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
