/**
 * Tests a Redis that refuses writes. The store can still read entries and tags, and invalidations work on a server
 * without free memory.
 */
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { connectRedis, keyspace } from '../support/cache/redis.ts';
import { deadline } from '../support/cache/store-contract.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = ['a', 'b', 'c'].map((key) => Buffer.from(key));

let node: RedisNode;
let redis: Redis;
let store: RedisCacheStore;

beforeAll(async () => {
  node = await startRedis({ args: ['--enable-protected-configs', 'yes'] });
  redis = await connectRedis(node.url);
  store = new RedisCacheStore({ commands: redis, keyspace });
});

afterAll(async () => {
  redis?.close();
  await node?.stop();
});

async function config(name: string, value: string): Promise<void> {
  expect(await node.command('CONFIG', 'SET', name, value)).toBe('OK');
}

async function write(key: Buffer, tags: readonly string[] = ['t', 'u']) {
  const fields = { namespace: 'n', key, value: key, absent: false, ttlMs: 60_000, tags };
  return await store.write({ ...fields, condition: { kind: 'none' } }, deadline());
}

async function expectReads(): Promise<void> {
  for (const key of KEYS) {
    expect((await store.read('n', key, deadline()))?.value).toEqual(key);
  }
  const keys = [...KEYS, Buffer.from('missing')];
  const results = await store.readMany('n', keys, { deadlineAtMs: deadline(), budgetBytes: 1e6 });
  expect(results.map((result) => result.outcome)).toEqual(['hit', 'hit', 'hit', 'miss']);
}

/**
 * Functions that make a server refuse writes, by the error code of the refused writes. Each function returns another
 * function, which makes the server accept writes again.
 */
const REFUSALS: Readonly<Record<string, () => Promise<() => Promise<void>>>> = {
  MISCONF: async () => {
    const { dir } = (await node.command('CONFIG', 'GET', 'dir')) as { dir: string };
    await config('dir', '/proc');
    await config('save', '3600 1');
    await node.command('BGSAVE');
    await waitFor('a failed save', async () =>
      String(await node.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'),
    );
    return async () => {
      await config('save', '');
      await config('dir', dir);
    };
  },
  OOM: async () => {
    await config('maxmemory', '1');
    return () => config('maxmemory', '0');
  },
  NOREPLICAS: async () => {
    await config('min-replicas-to-write', '1');
    return () => config('min-replicas-to-write', '0');
  },
};

test.each(Object.keys(REFUSALS))(
  'reads single entries, many entries and tags while Redis refuses writes with %s',
  async (code) => {
    await Promise.all(KEYS.map((key) => write(key)));
    const end = await REFUSALS[code]?.();
    try {
      await expect(write(KEYS[0] as Buffer)).rejects.toMatchObject({ kind: 'unavailable', serverCode: code });
      await expectReads();
    } finally {
      await end?.();
    }
  },
);

test('reads single entries, many entries and tags during a write pause, as before a planned failover', async () => {
  await Promise.all(KEYS.map((key) => write(key)));
  await node.command('CLIENT', 'PAUSE', '60000', 'WRITE');
  try {
    await expectReads();
  } finally {
    await node.command('CLIENT', 'UNPAUSE');
  }
});

test('removes keys and tags and flushes namespaces on a full server, even if they have no entries', async () => {
  await Promise.all(KEYS.map((key) => write(key)));
  await config('maxmemory', '1');
  try {
    const [first = Buffer.alloc(0)] = KEYS;
    expect(await store.remove('n', [first], deadline())).toBe(1);
    await store.removeTags('n', ['t'], deadline());
    await store.flush('n', deadline());
    expect(await store.remove('unused', KEYS, deadline())).toBe(0);
    await store.removeTags('unused', ['t'], deadline());
    await store.flush('unused', deadline());
    expect(await store.read('n', KEYS[1] as Buffer, deadline())).toBeUndefined();
  } finally {
    await config('maxmemory', '0');
  }
});
