/**
 * One build in one round: a new sidecar that uses the memory store, and a new sidecar that uses its own Redis.
 *
 * 1. Each build has its own Redis, so that builds with different stored formats can be compared.
 * 2. All calls contain their limits and name no policy, so that a build needs no settings except its addresses and the URL of its Redis.
 */
import type { Cores } from '../cores.ts';
import { type BenchServer, startRedisServer, startSidecar } from '../servers.ts';
import { type CallBytes, checkInlineLimit, encodeCall } from '../transport/calls.ts';

/** Cache entry that every `CacheGet` of the load returns. */
const ENTRY = { namespace: 'bench', key: Buffer.from('key') };
/** Field `outcome` of the response, which is 1 for a hit. */
const HIT = { field: 1, value: 1 };

export const storeEntry: CallBytes = encodeCall('CacheService', 'CacheSet', { ...ENTRY, value: Buffer.alloc(100, 1) });

export const MEASURED_CALLS: readonly { readonly name: string; readonly call: CallBytes }[] = [
  { name: 'CheckRateLimit', call: checkInlineLimit },
  { name: 'CacheGet', call: { ...encodeCall('CacheService', 'CacheGet', ENTRY), verdict: HIT } },
];

export const STORES = ['memory', 'Redis'] as const;

export interface Subject {
  readonly servers: Readonly<Record<(typeof STORES)[number], BenchServer>>;
  stop(): Promise<void>;
}

/** Starts the build in the directory `root`. */
export async function startSubject(root: string, cores: Cores): Promise<Subject> {
  const redis = await startRedisServer(cores.load);
  if (redis === undefined) {
    throw new Error('cannot start redis-server: not found; install Redis 7.0 or later');
  }
  const place = { core: cores.server, root };
  const memory = await startSidecar({}, place);
  const onRedis = await startSidecar({ PANNIER_REDIS_URL: `redis://${redis.address}` }, place);
  return {
    servers: { memory, Redis: onRedis },
    stop: async () => {
      await Promise.all([memory.stop(), onRedis.stop()]);
      await redis.stop();
    },
  };
}
