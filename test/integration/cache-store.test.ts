/**
 * Tests the cache store on real servers: the contract on a standalone Redis and on a Cluster, evictions of sequences
 * and tags, and the published messages.
 */
import { MemoryCacheStore } from '../../src/cache/memory-store.ts';
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import { bucketOf } from '../../src/lib/key-hash.ts';
import { decodeInvalidationMessage, type InvalidationMessage } from '../../src/near/invalidation-message.ts';
import { LocalChannels } from '../../src/near/local-channels.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { connectRedis, countKeysWithoutEnd, keyspace } from '../support/cache/redis.ts';
import { cacheStoreContract, deadline } from '../support/cache/store-contract.ts';
import { checkRandomHistories } from '../support/cache/store-histories.ts';
import { FakeClock } from '../support/lib/fake-clock.ts';
import { ACL_PASSWORD, ACL_USER, createAclUser } from '../support/redis/acl.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

cacheStoreContract('standalone Redis', async () => {
  const node = await startRedis();
  const redis = await connectRedis(node.url);
  return {
    store: new RedisCacheStore({ commands: redis, keyspace }),
    close: async () => {
      const withoutEnd = await countKeysWithoutEnd(node);
      redis.close();
      await node.stop();
      expect(withoutEnd).toBe(0);
    },
  };
});

cacheStoreContract('standalone Redis, as a user with minimal permissions', async () => {
  const node = await startRedis();
  await createAclUser(node, { prefix: 'test:', sections: ['the user', 'every connection', 'cache'] });
  const redis = await connectRedis(node.url, { username: ACL_USER, password: ACL_PASSWORD });
  const store = new RedisCacheStore({ commands: redis, keyspace });
  return {
    store,
    close: async () => {
      const refused = await node.command('ACL', 'LOG');
      redis.close();
      await node.stop();
      expect(refused).toEqual([]);
    },
  };
});

cacheStoreContract('Redis Cluster', async () => {
  const cluster: RedisCluster = await startCluster();
  const redis = await connectRedis(cluster.urls);
  return {
    store: new RedisCacheStore({ commands: redis, keyspace }),
    close: async () => {
      for (const node of cluster.masters()) {
        expect(Number(await node.command('DBSIZE'))).toBeGreaterThan(0);
        expect(await countKeysWithoutEnd(node)).toBe(0);
      }
      redis.close();
      await cluster.stop();
    },
  };
});

describe('random histories', () => {
  test('on memory', async () => {
    const channels = new LocalChannels();
    const limits = { maxEntries: 1_000, maxBytes: 10_000_000 };
    await checkRandomHistories(new MemoryCacheStore({ clock: new FakeClock(), channels, ...limits }), 500);
  });
});

describe('on one server', () => {
  let node: RedisNode;
  let redis: Redis;
  let store: RedisCacheStore;

  beforeAll(async () => {
    node = await startRedis();
    redis = await connectRedis(node.url);
    store = new RedisCacheStore({ commands: redis, keyspace });
  });

  afterAll(async () => {
    redis.close();
    await node.stop();
  });

  const KEY = Buffer.from('key');
  const sequence = keyspace.cacheSequence('n', bucketOf(KEY));

  async function write(value: string, tags: readonly string[] = []) {
    return await store.write(
      {
        namespace: 'n',
        key: KEY,
        value: Buffer.from(value),
        absent: false,
        ttlMs: 60_000,
        tags,
        condition: { kind: 'none' },
      },
      deadline(),
    );
  }

  async function read(): Promise<string | undefined> {
    return (await store.read('n', KEY, deadline()))?.value.toString();
  }

  test('random histories', async () => {
    await checkRandomHistories(store, 60);
  });

  test('entries of an evicted sequence never become valid again', async () => {
    const first = await write('v1');
    await node.command('DEL', sequence);
    expect(await read()).toBeUndefined();
    await store.remove('n', [Buffer.from('elsewhere')], deadline());
    await store.flush('n', deadline());
    expect(await read()).toBeUndefined();
    await write('v2');
    expect(await read()).toBe('v2');
    if (first.stored) {
      const outcome = await store.write(
        {
          namespace: 'n',
          key: KEY,
          value: Buffer.from('v3'),
          absent: false,
          ttlMs: 60_000,
          tags: [],
          condition: { kind: 'if_version', version: first.version },
        },
        deadline(),
      );
      expect(outcome).toEqual({ stored: false });
    }
  });

  test('entries stay invalid when another key of the bucket has created the evicted sequence again', async () => {
    await write('v1');
    await node.command('DEL', sequence);
    await node.command('HSET', sequence, 'inc', '12345678', 'n', '1000000');
    expect(await read()).toBeUndefined();
  });

  test('a full server rejects values, and invalidates them by key, by tag and by flush', async () => {
    for (const invalidate of [
      () => store.remove('n', [KEY], deadline()),
      () => store.removeTags('n', ['tag'], deadline()),
      () => store.flush('n', deadline()),
    ]) {
      await write('v1', ['tag']);
      await node.command('CONFIG', 'SET', 'maxmemory', '1');
      try {
        await expect(write('v2', ['tag'])).rejects.toMatchObject({ kind: 'unavailable', serverCode: 'OOM' });
        expect(await read()).toBe('v1');
        await invalidate();
        expect(await read()).toBeUndefined();
      } finally {
        await node.command('CONFIG', 'SET', 'maxmemory', '0');
      }
    }
  });

  test('entries of an evicted tag never become valid again, even after the tag has a new version', async () => {
    await write('v1', ['tag']);
    expect(await read()).toBe('v1');
    await node.command('DEL', keyspace.cacheTag('n', 'tag'));
    expect(await read()).toBeUndefined();
    await store.write(
      {
        namespace: 'n',
        key: Buffer.from('other'),
        value: Buffer.from('v'),
        absent: false,
        ttlMs: 60_000,
        tags: ['tag'],
        condition: { kind: 'none' },
      },
      deadline(),
    );
    expect(await node.command('EXISTS', keyspace.cacheTag('n', 'tag'))).toBe(1);
    expect(await read()).toBeUndefined();
  });

  test('keeps a tag longer than the entry with the longest TTL', async () => {
    const name = keyspace.cacheTag('n', 'ttl');
    for (const ttlMs of [1_000, 500_000, 10]) {
      await store.write(
        {
          namespace: 'n',
          key: KEY,
          value: Buffer.alloc(0),
          absent: false,
          ttlMs,
          tags: ['ttl'],
          condition: { kind: 'none' },
        },
        deadline(),
      );
    }
    expect(Number(await node.command('PTTL', name))).toBeGreaterThan(500_000);
    expect(Number(await node.command('PTTL', sequence))).toBeGreaterThan(30 * 86_400_000);
  });

  test('publishes every change without gaps in the numbers, even if there was nothing to remove', async () => {
    const received: { channel: string; message: InvalidationMessage | undefined }[] = [];
    const live = new Set<string>();
    const subscriber = redis.createSubscriber({
      onMessage: (channel, message) => received.push({ channel, message: decodeInvalidationMessage(message) }),
      onLive: (channel) => live.add(channel),
      onLost: (channel) => live.delete(channel),
    });
    const keyChannel = keyspace.cacheChannel('n', bucketOf(KEY));
    const tagChannel = keyspace.cacheTagChannel('n', bucketOf('tag'));
    subscriber.subscribe(keyChannel);
    subscriber.subscribe(tagChannel);
    await waitFor('live channels', () => live.size === 2);
    await write('v1', ['tag']);
    await store.remove('n', [KEY], deadline());
    await store.remove('n', [KEY, KEY], deadline());
    await store.flush('n', deadline());
    await store.removeTags('n', ['tag'], deadline());
    await store.removeTags('n', ['tag'], deadline());
    expect(await subscriber.barrier(deadline())).toBe(true);
    const keyMessages = received.filter(({ channel }) => channel === keyChannel).map(({ message }) => message);
    const tagMessages = received.filter(({ channel }) => channel === tagChannel).map(({ message }) => message);
    expect(keyMessages.map((message) => [message?.kind, message?.names])).toEqual([
      ['names', ['key']],
      ['names', ['key']],
      ['names', ['key', 'key']],
      ['flush', []],
    ]);
    expect(tagMessages.map((message) => message?.names)).toEqual([['tag'], ['tag']]);
    for (const messages of [keyMessages, tagMessages]) {
      const first = messages[0]?.sequence ?? 0;
      expect(messages.map((message) => message?.sequence)).toEqual(messages.map((_, index) => first + index));
      expect(new Set(messages.map((message) => message?.incarnation)).size).toBe(1);
    }
    subscriber.close();
  });
});
