/**
 * Counts the commands that a server has executed since CONFIG RESETSTAT, including commands in scripts.
 */
import type { RedisNode } from './server.ts';

/** Returns the total number of calls of these commands. Names are in lower case. */
export async function commandCalls(server: RedisNode, names: readonly string[]): Promise<number> {
  const text = String(await server.command('INFO', 'commandstats'));
  let sum = 0;
  for (const [, name = '', calls] of text.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)) {
    sum += names.includes(name) ? Number(calls) : 0;
  }
  return sum;
}
