/**
 * The contract of the stores of limits, on each of them: memory, one Redis, a Cluster of three masters and three replicas.
 */
import type { Answer } from '../../src/lib/answer.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { MemoryRateLimitStore } from '../../src/rate-limit/memory-store.ts';
import type { CompiledLimits } from '../../src/rate-limit/policy.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import type { RateLimitStore, SubjectKey, TakeRequest, TakeResult } from '../../src/rate-limit/store.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import { describeRateLimitStore, type RateLimitStoreFixture } from '../support/rate-limit-store-contract.ts';
import { openRedis } from '../support/redis-client.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { type RedisNode, startRedis } from '../support/redis-server.ts';

describeRateLimitStore('memory', async () => ({
  store: new MemoryRateLimitStore({ clock: systemClock, maxEntries: 10_000, maxBytes: 10_000_000 }),
  keysWithoutTtl: async () => [],
  close: async () => undefined,
}));

describeRateLimitStore('one Redis', async () => {
  const server = await startRedis();
  return await redisFixture([server], () => server.stop());
});

describeRateLimitStore('one Redis, limits of policies', async () => {
  const server = await startRedis();
  const { store, ...fixture } = await redisFixture([server], () => server.stop());
  return { ...fixture, store: new KeptLimitsStore(store) };
});

describeRateLimitStore('a Cluster', async () => {
  const cluster = await startCluster();
  return await redisFixture(cluster.masters(), () => cluster.stop());
});

/** Every request as if its limits were of a policy: they have a script of their own then. */
class KeptLimitsStore implements RateLimitStore {
  readonly #store: RateLimitStore;
  readonly #kept = new Map<string, CompiledLimits>();

  constructor(store: RateLimitStore) {
    this.#store = store;
  }

  take(request: TakeRequest, deadlineAtMs: number): Answer<TakeResult> {
    const id = request.limits.scriptArgs.join(' ');
    const limits = this.#kept.get(id) ?? { ...request.limits, isKept: true };
    this.#kept.set(id, limits);
    return this.#store.take({ ...request, limits }, deadlineAtMs);
  }

  reset(key: SubjectKey, limits: CompiledLimits | undefined, deadlineAtMs: number): Answer<boolean> {
    return this.#store.reset(key, limits, deadlineAtMs);
  }
}

async function redisFixture(masters: readonly RedisNode[], stop: () => Promise<void>): Promise<RateLimitStoreFixture> {
  const redis = await openRedis(masters.map((node) => node.url).join(','), { commandTimeoutMs: 5_000 });
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
