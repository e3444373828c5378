/**
 * CacheSet with the version that a caller read before, through the whole service: on memory, on a Redis, on a Cluster, and over the wire.
 */
import { MemoryCacheStore } from '../../src/cache/memory-store.ts';
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import { createCacheService } from '../../src/cache/service.ts';
import type { CacheStore } from '../../src/cache/store.ts';
import { DEFAULT_POLICY_FILE } from '../../src/config/policy-file.ts';
import { systemClock as clock } from '../../src/lib/clock.ts';
import { LocalChannels } from '../../src/near/local-channels.ts';
import { connectRedis, keyspace } from '../support/cache/redis.ts';
import { callContext, getRequest, setRequest } from '../support/cache/requests.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { startRedis } from '../support/redis/server.ts';
import { connectPannier } from '../support/sidecar/pannier-client.ts';
import { startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

interface Opened {
  readonly store: CacheStore;
  close(): Promise<void>;
}

const STORES: readonly [string, () => Promise<Opened>][] = [
  [
    'memory',
    async () => {
      const bounds = { maxEntries: 1_000, maxBytes: 10_000_000 };
      const store = new MemoryCacheStore({ clock, channels: new LocalChannels(), keyspace, ...bounds });
      return { store, close: async () => undefined };
    },
  ],
  [
    'Redis',
    async () => {
      const node = await startRedis();
      const redis = await connectRedis(node.url);
      const close = async () => {
        redis.close();
        await node.stop();
      };
      return { store: new RedisCacheStore({ commands: redis, keyspace }), close };
    },
  ],
  [
    'a Redis Cluster',
    async () => {
      const cluster = await startCluster();
      const redis = await connectRedis(cluster.urls);
      const close = async () => {
        redis.close();
        await cluster.stop();
      };
      return { store: new RedisCacheStore({ commands: redis, keyspace }), close };
    },
  ],
];

describe.each(STORES)('on %s', (_, open) => {
  let opened: Opened;
  let service: ReturnType<typeof createCacheService>;
  let names = 0;
  let key = Buffer.alloc(0);

  beforeAll(async () => {
    opened = await open();
    service = createCacheService({
      maxValueBytes: 1_048_576,
      store: opened.store,
      createSubscriber: (listener) => new LocalChannels().createSubscriber(listener),
      keyspace,
      policies: { current: () => DEFAULT_POLICY_FILE },
      clock,
      metrics: { nearHit: () => {}, read: () => {}, bucketFlushed: () => {} },
    });
  });

  beforeEach(() => {
    names += 1;
    key = Buffer.from(`key-${names}`);
  });

  afterAll(async () => {
    service?.close();
    await opened?.close();
  });

  async function get(): Promise<{ version: Buffer; value: string }> {
    const response = await service.handlers.CacheGet(getRequest({ key }), callContext());
    return { version: response.version as Buffer, value: String(response.value) };
  }

  async function set(value: string, fields: Parameters<typeof setRequest>[0] = {}): Promise<boolean> {
    const request = setRequest({ key, value: Buffer.from(value), ...fields });
    return (await service.handlers.CacheSet(request, callContext())).stored === true;
  }

  test('two callers that load a missing key with the version of the miss: the second is not stored', async () => {
    const { version } = await get();
    expect(version).toHaveLength(0);
    expect(await set('one', { ifVersion: version })).toBe(true);
    expect(await set('two', { ifVersion: version })).toBe(false);
    expect((await get()).value).toBe('one');
  });

  test('the version that was read is passed on as it is, whatever it was: of 20 callers each round one is stored', async () => {
    for (const tags of [[], ['t'], []]) {
      const { version } = await get();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => set(`value-${index}`, { ifVersion: version, tags })),
      );
      expect(outcomes.filter((stored) => stored)).toHaveLength(1);
    }
  });

  test('an empty version stores over an absent entry, as if_absent does, and no version stores over anything', async () => {
    await set('', { absent: true });
    expect(await set('one', { ifVersion: Buffer.alloc(0) })).toBe(true);
    expect(await set('two', { ifVersion: Buffer.alloc(0) })).toBe(false);
    expect(await set('three', { ifAbsent: true })).toBe(false);
    expect(await set('four')).toBe(true);
    expect((await get()).value).toBe('four');
  });
});

test('over the wire an empty if_version is another thing than none', async () => {
  const sidecar = await startSidecar();
  const client = connectPannier(sidecar.address);
  const set = async (value: string, fields: { ifVersion?: Buffer }) => {
    const end = await client.cacheSet({ key: Buffer.from('key'), value: Buffer.from(value), ttlMs: 60_000, ...fields });
    return end.ok ? end.response.stored : end;
  };
  await waitFor('an answer', async () => (await client.cacheGet({ key: Buffer.from('key') })).ok);
  const ifVersion = Buffer.alloc(0);
  expect(await set('one', { ifVersion })).toBe(true);
  expect(await set('two', { ifVersion })).toBe(false);
  expect(await set('three', {})).toBe(true);
  expect(await set('four', { ifVersion })).toBe(false);
  client.close();
  await sidecar.stop();
});
