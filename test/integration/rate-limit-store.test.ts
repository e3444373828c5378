/**
 * Runs the contract suite of the rate limit stores on memory, on one Redis, and on a Cluster of three masters and three
 * replicas.
 */
import { systemClock } from '../../src/lib/clock.ts';
import { MemoryRateLimitStore } from '../../src/rate-limit/memory-store.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import { describeRateLimitStore, type RateLimitStoreFixture } from '../support/rate-limit/store-contract.ts';
import { openRedis, PATIENT } from '../support/redis/client.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

describeRateLimitStore('memory', async () => ({
  store: new MemoryRateLimitStore({ clock: systemClock, maxEntries: 10_000, maxBytes: 10_000_000 }),
  keysWithoutTtl: async () => [],
  close: async () => undefined,
}));

describeRateLimitStore('one Redis', async () => {
  const server = await startRedis();
  return await redisFixture([server], () => server.stop());
});

describeRateLimitStore('a Cluster', async () => {
  const cluster = await startCluster();
  return await redisFixture(cluster.masters(), () => cluster.stop());
});

async function redisFixture(masters: readonly RedisNode[], stop: () => Promise<void>): Promise<RateLimitStoreFixture> {
  const redis = await openRedis(masters.map((node) => node.url).join(','), PATIENT);
  return {
    store: new RedisRateLimitStore({ redis, keyspace: createKeyspace('test:') }),
    keysWithoutTtl: async () => {
      const keys: string[] = [];
      for (const node of masters) {
        for (const key of ((await node.command('KEYS', '*')) as unknown[]).map(String)) {
          if ((await node.command('PTTL', key)) === -1) {
            keys.push(key);
          }
        }
      }
      return keys;
    },
    close: async () => {
      redis.close();
      await stop();
    },
  };
}
