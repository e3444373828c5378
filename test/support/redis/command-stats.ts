/**
 * What commands a server has executed since CONFIG RESETSTAT, those of scripts among them, and how long they took.
 */
import type { RedisNode } from './server.ts';

export interface CommandStats {
  readonly calls: number;
  readonly microseconds: number;
}

/** By the name of the command in lower case. */
export async function readCommandStats(server: RedisNode): Promise<ReadonlyMap<string, CommandStats>> {
  const text = String(await server.command('INFO', 'commandstats'));
  const stats = new Map<string, CommandStats>();
  for (const [, name = '', calls, microseconds] of text.matchAll(/^cmdstat_(\S+):calls=(\d+),usec=(\d+)/gm)) {
    stats.set(name, { calls: Number(calls), microseconds: Number(microseconds) });
  }
  return stats;
}

/** How often any of these commands ran. */
export async function commandCalls(server: RedisNode, names: readonly string[]): Promise<number> {
  const stats = await readCommandStats(server);
  return names.reduce((sum, name) => sum + (stats.get(name)?.calls ?? 0), 0);
}
