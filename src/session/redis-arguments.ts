/**
 * Arguments of the scripts of a session's hash.
 */
import type { RedisArgument } from '../redis/commands.ts';
import { DATA_BYTES_MAX, DATA_FIELDS_MAX, type DataChange, fieldBytes } from './session.ts';

export function optional(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}

export function changeArguments(change: DataChange): RedisArgument[] {
  const args: RedisArgument[] = [String(DATA_FIELDS_MAX), String(DATA_BYTES_MAX), String(change.set.size)];
  for (const [name, value] of change.set) {
    args.push(name, value);
  }
  args.push(...change.remove);
  return args;
}

export function bytesOf(data: ReadonlyMap<string, Buffer>): number {
  let bytes = 0;
  for (const [name, value] of data) {
    bytes += fieldBytes(name, value);
  }
  return bytes;
}
