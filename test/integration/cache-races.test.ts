/**
 * Tests races between the stores of two sidecars on a standalone Redis and on a Cluster. After an invalidation has
 * returned, no store serves an invalidated entry. Of several writes with the same condition, exactly one succeeds.
 */
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import type { WriteCondition, WriteOutcome } from '../../src/cache/store.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { connectRedis, keyspace } from '../support/cache/redis.ts';
import { deadline } from '../support/cache/store-contract.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { startRedis } from '../support/redis/server.ts';

const ROUNDS = 30;
const KEYS = Array.from({ length: 20 }, (_, index) => Buffer.from(`key-${index}`));

const SERVERS: readonly [string, () => Promise<{ urls: string; stop: () => Promise<void> }>][] = [
  ['a standalone Redis', async () => startRedis().then((node) => ({ urls: node.url, stop: () => node.stop() }))],
  ['a Redis Cluster', async () => startCluster().then(({ urls, stop }) => ({ urls, stop }))],
];

describe.each(SERVERS)('on %s', (_, start) => {
  let stop: () => Promise<void>;
  let connections: Redis[] = [];
  let stores: RedisCacheStore[] = [];

  beforeAll(async () => {
    const server = await start();
    stop = server.stop;
    connections = [await connectRedis(server.urls), await connectRedis(server.urls)];
    stores = connections.map((commands) => new RedisCacheStore({ commands, keyspace }));
  });

  afterAll(async () => {
    for (const connection of connections) {
      connection.close();
    }
    await stop?.();
  });

  async function write(
    key: Buffer,
    value: string,
    condition: WriteCondition = { kind: 'none' },
    by = 0,
  ): Promise<WriteOutcome> {
    const fields = { namespace: 'n', key, value: Buffer.from(value), absent: false, ttlMs: 60_000, tags: ['t', 'u'] };
    return (await stores[by]?.write({ ...fields, condition }, deadline())) ?? { stored: false };
  }

  async function valuesOf(by: number): Promise<string[]> {
    const options = { deadlineAtMs: deadline(), budgetBytes: 1e6 };
    const results = (await stores[by]?.readMany('n', KEYS, options)) ?? [];
    return results.map((result) => (result.outcome === 'hit' ? String(result.entry.value) : result.outcome));
  }

  test.each<[string, (store: RedisCacheStore) => Promise<unknown>]>([
    ['keys', (store) => store.remove('n', KEYS, deadline())],
    ['a tag', (store) => store.removeTags('n', ['t'], deadline())],
    ['the namespace', (store) => store.flush('n', deadline())],
  ])(
    'serves no stale entry after an invalidation of %s has returned, even while reads race with it',
    async (_what, invalidate) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await Promise.all(KEYS.map((key) => write(key, `old ${round}`)));
        const racing = [valuesOf(0), valuesOf(1)];
        const invalidating = invalidate(stores[1] as RedisCacheStore);
        racing.push(valuesOf(0), valuesOf(1));
        await invalidating;
        for (const values of [await valuesOf(0), await valuesOf(1)]) {
          expect(values).toEqual(KEYS.map(() => 'miss'));
        }
        for (const values of await Promise.all(racing)) {
          expect(values.filter((value) => value !== 'miss' && value !== `old ${round}`)).toEqual([]);
        }
      }
    },
    60_000,
  );

  test('stores exactly one of 50 concurrent writes through two sidecars, with if_absent and with if_version', async () => {
    const key = Buffer.from('conditional');
    let condition: WriteCondition = { kind: 'if_absent' };
    for (let round = 0; round < 5; round += 1) {
      const shared: WriteCondition = condition;
      const outcomes: readonly WriteOutcome[] = await Promise.all(
        Array.from({ length: 50 }, (_, index) => write(key, `${round} ${index}`, shared, index % 2)),
      );
      const stored = outcomes.flatMap((outcome) => (outcome.stored ? [outcome.version] : []));
      expect(stored).toHaveLength(1);
      condition = { kind: 'if_version', version: stored[0] ?? Buffer.alloc(0) };
    }
  });
});
