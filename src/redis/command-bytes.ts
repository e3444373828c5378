/**
 * Estimates the size of a command in memory and on the wire, as the number of characters in strings plus the number of
 * bytes in buffers.
 */
import type { RedisArgument } from './commands.ts';

export function bytesOf(command: readonly RedisArgument[]): number {
  let bytes = 0;
  for (const argument of command) {
    bytes += argument.length;
  }
  return bytes;
}
