/**
 * Builds the arguments of the session scripts (see session-common.lua). All functions are pure.
 */
import type { RedisArgument } from '../redis/commands.ts';
import { type DataChange, fieldBytes, MAX_DATA_BYTES, MAX_DATA_FIELDS } from './model.ts';
import { labelsText } from './redis-reply.ts';
import type { NewSession } from './store.ts';

export function optional(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}

/** Builds the arguments of create.lua. */
export function createArguments(created: NewSession, generation: string): RedisArgument[] {
  const { credential, userId, data, labels, idleTtlMs, absoluteTtlMs } = created;
  const args: RedisArgument[] = [
    credential.verifier,
    userId,
    generation,
    String(idleTtlMs),
    String(absoluteTtlMs),
    labelsText(labels),
    String(data.size),
    String(bytesOf(data)),
  ];
  for (const [name, value] of data) {
    args.push(name, value);
  }
  return args;
}

export function changeArguments(change: DataChange): RedisArgument[] {
  const args: RedisArgument[] = [String(MAX_DATA_FIELDS), String(MAX_DATA_BYTES), String(change.set.size)];
  for (const [name, value] of change.set) {
    args.push(name, value);
  }
  args.push(...change.remove);
  return args;
}

/** Returns the size of session data, which MAX_DATA_BYTES limits: the bytes of all names and values. */
function bytesOf(data: ReadonlyMap<string, Buffer>): number {
  let bytes = 0;
  for (const [name, value] of data) {
    bytes += fieldBytes(name, value);
  }
  return bytes;
}
