/**
 * How damaged values are repaired: what is run before a command is sent once more that met one. Pure.
 *
 *   WRONGTYPE  a key is of another type than ours: remove-wrong-type.lua removes it
 *   DAMAGED    our own scripts' error reply: a value of the current layout cannot be read. A script that writes has removed it already; for
 *              one that reads, its `repair` does
 *
 * What can be told apart from a newer layout only is removed: that stays FAILED_PRECONDITION (docs/internals/formats.md). A removed limit counts
 * afresh, a removed cache entry is a miss, a removed session is NOT_FOUND, and a removed user has no valid session: none is revived.
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
  /** Of the key of a bare command; unset: its key is left as it is. */
  readonly keyType?: KeyType | undefined;
}

/** Run by itself, not by a store: for tests that look at every script. */
export const removeWrongType = loadScript(
  'remove-wrong-type',
  ['src/redis/scripts/remove-wrong-type.lua'],
  'write_in_place',
  {
    keyTypes: [],
  },
);

/** `none`: nothing has to be run, the command may be sent again; `impossible`: nothing is known of its keys. */
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
