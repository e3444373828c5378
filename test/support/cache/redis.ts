/**
 * Runs the cache on a real Redis for tests. The module creates connections and services as a sidecar does, and checks
 * the keys on the server.
 */
import { RedisCacheStore } from '../../../src/cache/redis-store.ts';
import { type CacheService, createCacheService } from '../../../src/cache/service.ts';
import { DEFAULT_POLICY_FILE, type PolicyFile } from '../../../src/config/policy-file.ts';
import type { CacheGetResponse } from '../../../src/grpc/generated/pannier/v1/CacheGetResponse.ts';
import { systemClock as clock } from '../../../src/lib/clock.ts';
import type { FlushCause } from '../../../src/near/bus.ts';
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import { createRedis, type Redis } from '../../../src/redis/redis.ts';
import { redisOptions } from '../redis/client.ts';
import type { RedisNode } from '../redis/server.ts';
import { waitFor } from '../wait.ts';
import { callContext, getRequest, invalidateRequest, setRequest } from './requests.ts';

export const keyspace = createKeyspace('test:');

interface Login {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/**
 * Connects to a deployment. `urls` contains one or more URLs, separated by commas. Without `login`, the connection uses
 * the credentials in the URL.
 */
export async function connectRedis(urls: string, login?: Login): Promise<Redis> {
  const changes = login === undefined ? {} : { credentials: async (): Promise<Login> => login };
  const redis = createRedis(redisOptions(urls, { role: 'cache', commandTimeoutMs: 1_000, ...changes }));
  redis.start();
  await waitFor('a connected Redis', () => redis.isReady());
  return redis;
}

/** Cache of one sidecar, with a near cache for namespace `n`. */
export interface CacheSidecar {
  readonly service: CacheService;
  readonly redis: Redis;
  readonly flushes: FlushCause[];
  get(key: string, options?: { fresh?: boolean }): Promise<{ value: string; response: CacheGetResponse }>;
  set(key: string, value: string, tags?: readonly string[]): Promise<void>;
  invalidate(fields: Parameters<typeof invalidateRequest>[0]): Promise<number>;
  /** Reads the key until the response comes from the near cache, and returns its value. */
  warm(key: string): Promise<string>;
  close(): void;
}

const POLICIES: PolicyFile = {
  ...DEFAULT_POLICY_FILE,
  cacheNamespaces: new Map([['n', { ttlMs: 60_000, near: true }]]),
};

export interface CacheSidecarOptions {
  /** URLs through which the subscriber connections reach Redis; by default the URLs of the other connections. */
  readonly subscriberUrls?: string;
  /** Staleness bound of the near cache; unset for the default of 1 s. */
  readonly nearLifeMs?: number;
  readonly login?: Login;
}

export async function startCacheSidecar(urls: string, options: CacheSidecarOptions = {}): Promise<CacheSidecar> {
  const redis = await connectRedis(urls, options.login);
  const subscriberUrls = options.subscriberUrls ?? urls;
  const messenger = subscriberUrls === urls ? redis : await connectRedis(subscriberUrls, options.login);
  const flushes: FlushCause[] = [];
  const service = createCacheService({
    maxValueBytes: 1_048_576,
    store: new RedisCacheStore({ commands: redis, keyspace }),
    createSubscriber: (listener) => messenger.createSubscriber(listener),
    channelNames: keyspace,
    near: {
      maxEntries: 10_000,
      maxBytes: 10_000_000,
      ...(options.nearLifeMs === undefined ? {} : { lifeMs: options.nearLifeMs }),
    },
    policies: { current: () => POLICIES },
    clock,
    metrics: { nearHit: () => {}, read: () => {}, bucketFlushed: (cause) => flushes.push(cause) },
  });
  const get: CacheSidecar['get'] = async (key, options = {}) => {
    const response = await service.handlers.CacheGet(getRequest({ key: Buffer.from(key), ...options }), callContext());
    return { value: String(response.value), response };
  };
  return {
    service,
    redis,
    flushes,
    get,
    set: async (key, value, tags = []) => {
      const request = setRequest({ key: Buffer.from(key), value: Buffer.from(value), tags: [...tags] });
      await service.handlers.CacheSet(request, callContext());
    },
    invalidate: async (fields) => {
      return Number((await service.handlers.CacheInvalidate(invalidateRequest(fields), callContext())).removed);
    },
    warm: (key) =>
      waitFor('a near-cache entry', async () => {
        const { value, response } = await get(key);
        return response.source === 1 ? value : undefined;
      }),
    close: () => {
      service.close();
      redis.close();
      messenger.close();
    },
  };
}

/** Counts the keys of a server that have no expiry. */
export async function countKeysWithoutEnd(node: RedisNode): Promise<number> {
  const script = `local count = 0
    for _, key in ipairs(redis.call('KEYS', '*')) do
      if redis.call('PTTL', key) < 0 then count = count + 1 end
    end
    return count`;
  return Number(await node.command('EVAL', script, '0'));
}
