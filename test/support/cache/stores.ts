/**
 * Opens a cache service on each kind of store: memory, a standalone Redis and a Redis Cluster.
 */
import { MemoryCacheStore } from '../../../src/cache/memory-store.ts';
import { RedisCacheStore } from '../../../src/cache/redis-store.ts';
import { type CacheService, createCacheService } from '../../../src/cache/service.ts';
import { DEFAULT_POLICY_FILE } from '../../../src/config/policy-file.ts';
import { systemClock as clock } from '../../../src/lib/clock.ts';
import { LocalChannels, localChannelNames } from '../../../src/near/local-channels.ts';
import { startCluster } from '../redis/cluster.ts';
import { startRedis } from '../redis/server.ts';
import { connectRedis, keyspace } from './redis.ts';

export interface OpenedCache {
  readonly service: CacheService;
  close(): Promise<void>;
}

export const CACHE_STORES: readonly [string, () => Promise<OpenedCache>][] = [
  ['memory', openMemory],
  [
    'Redis',
    async () => {
      const node = await startRedis();
      return await openRedis(node.url, () => node.stop());
    },
  ],
  [
    'a Redis Cluster',
    async () => {
      const cluster = await startCluster();
      return await openRedis(cluster.urls, () => cluster.stop());
    },
  ],
];

const common = {
  policies: { current: () => DEFAULT_POLICY_FILE },
  maxValueBytes: 1_048_576,
  clock,
  metrics: { nearHit: () => {}, read: () => {}, bucketFlushed: () => {} },
};

async function openMemory(): Promise<OpenedCache> {
  const channels = new LocalChannels();
  const service = createCacheService({
    ...common,
    store: new MemoryCacheStore({ clock, channels, maxEntries: 1_000, maxBytes: 10_000_000 }),
    createSubscriber: (listener) => channels.createSubscriber(listener),
    channelNames: localChannelNames,
  });
  return { service, close: async () => service.close() };
}

async function openRedis(urls: string, stop: () => Promise<void>): Promise<OpenedCache> {
  const redis = await connectRedis(urls);
  const service = createCacheService({
    ...common,
    store: new RedisCacheStore({ commands: redis, keyspace }),
    createSubscriber: (listener) => redis.createSubscriber(listener),
    channelNames: keyspace,
  });
  const close = async () => {
    service.close();
    redis.close();
    await stop();
  };
  return { service, close };
}
