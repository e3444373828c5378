/**
 * Creates a Redis store of rate limits, for tests that set the time of the store. The store uses the production
 * scripts, except that the scripts read the time from their last argument (Unix time in ms) instead of the clock of the
 * server.
 */
import type { Clock } from '../../../src/lib/clock.ts';
import { loadRateLimitScripts } from '../../../src/rate-limit/redis-scripts.ts';
import { RedisRateLimitStore } from '../../../src/rate-limit/redis-store.ts';
import type { RedisCommands } from '../../../src/redis/commands.ts';
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import type { Script } from '../../../src/redis/lua-script.ts';

const frozenScripts = loadRateLimitScripts('local nowMs = tonumber(table.remove(ARGV))');

const SCRIPTS_WITHOUT_CLOCK = new Set([frozenScripts.reset.name]);

export interface FrozenStore {
  readonly store: RedisRateLimitStore;
  /** Number of runs of each script, by name. */
  readonly runs: ReadonlyMap<string, number>;
}

/** Creates a store whose keys begin with `test:rl:`. */
export function frozenStore(redis: RedisCommands, clock: Pick<Clock, 'nowMs'>): FrozenStore {
  const runs = new Map<string, number>();
  const commands: RedisCommands = {
    run: (script: Script, keys, args, deadlineAtMs) => {
      runs.set(script.name, (runs.get(script.name) ?? 0) + 1);
      const all = SCRIPTS_WITHOUT_CLOCK.has(script.name) ? args : [...args, String(clock.nowMs())];
      return redis.run(script, keys, all, deadlineAtMs);
    },
    send: (key, command, deadlineAtMs, options) => redis.send(key, command, deadlineAtMs, options),
  };
  const store = new RedisRateLimitStore({ redis: commands, keyspace: createKeyspace('test:'), scripts: frozenScripts });
  return { store, runs };
}
