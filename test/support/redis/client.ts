/**
 * Creates Redis connections to a test server, with a separate timer wheel and without metrics.
 */
import { systemClock } from '../../../src/lib/clock.ts';
import { parseRedisUrl } from '../../../src/lib/redis-url.ts';
import { TimerWheel } from '../../../src/lib/timer-wheel.ts';
import type { RedisOptions } from '../../../src/redis/options.ts';
import { createRedis, type Redis } from '../../../src/redis/redis.ts';
import { RefusalLog } from '../../../src/redis/refusal-log.ts';
import { silentLogger } from '../lib/silent-logger.ts';
import { waitFor } from '../wait.ts';
import { noRedisMetrics } from './no-metrics.ts';

/**
 * Options for tests that are not about silence. The timeout is long, so that the tests do not fail on a busy machine.
 */
export const PATIENT = { commandTimeoutMs: 5_000 };

const NO_LOGIN = { username: undefined, password: undefined };

/** Returns options for the seeds in `urls` (comma-separated), with the defaults of `serve`. */
export function redisOptions(urls: string, changes: Partial<RedisOptions> = {}): RedisOptions {
  const { hosts, isTls, masterName, username, password } = parseRedisUrl(urls);
  const { role = 'state', clock = systemClock, log = silentLogger } = changes;
  return {
    role,
    seeds: hosts,
    credentials: async () => ({ username, password }),
    ...(masterName === undefined ? {} : { sentinel: { masterName, credentials: async () => NO_LOGIN } }),
    isTls,
    connectTimeoutMs: 500,
    commandTimeoutMs: 250,
    connectionsPerMaster: 1,
    maxQueue: 10_000,
    clock,
    wheel: new TimerWheel({ clock: systemClock }),
    metrics: noRedisMetrics,
    log,
    refusals: new RefusalLog({ role, clock, log }),
    ...changes,
  };
}

/** Returns a connected client that is ready. */
export async function openRedis(urls: string, changes: Partial<RedisOptions> = {}): Promise<Redis> {
  const redis = createRedis(redisOptions(urls, changes));
  redis.start();
  await waitFor('Redis ready', () => redis.isReady());
  return redis;
}

/** Returns a monotonic deadline for one command of a test. */
export function soonMs(durationMs = 5_000): number {
  return systemClock.monotonicMs() + durationMs;
}
