/**
 * How often a server has executed commands since CONFIG RESETSTAT, those of scripts among them.
 */
import type { RedisNode } from './server.ts';

/** Calls of all these commands together. Their names are in lower case. */
export async function commandCalls(server: RedisNode, names: readonly string[]): Promise<number> {
  const text = String(await server.command('INFO', 'commandstats'));
  let sum = 0;
  for (const [, name = '', calls] of text.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)) {
    sum += names.includes(name) ? Number(calls) : 0;
  }
  return sum;
}
