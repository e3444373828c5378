/**
 * Tests the contract of every store over rediss://, on a server and on a Cluster, as the user that
 * docs/operations/redis.md describes. The client rejects servers without a trusted certificate.
 */
import { RedisCacheStore } from '../../src/cache/redis-store.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { RedisSessionStore } from '../../src/session/redis-store.ts';
import { cacheStoreContract } from '../support/cache/store-contract.ts';
import { describeRateLimitStore } from '../support/rate-limit/store-contract.ts';
import { ACL_PASSWORD, ACL_USER, createAclUser, documentedRules } from '../support/redis/acl.ts';
import { openRedis, PATIENT, redisOptions, soonMs } from '../support/redis/client.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { makeTls, type TestTls, trustOf } from '../support/redis/tls.ts';
import { sessionStoreContract } from '../support/session/store-contract.ts';
import type { SessionStoreFixture } from '../support/session/stores.ts';
import { waitFor } from '../support/wait.ts';

const PREFIX = 'test:';
const keyspace = createKeyspace(PREFIX);

interface SecureRedis {
  readonly redis: Redis;
  readonly nodes: readonly RedisNode[];
  keysWithoutTtl(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Connects as the documented user. `close` fails the test if any node refused a command or key of this user. */
async function openSecurely(
  nodes: readonly RedisNode[],
  tls: TestTls,
  stop: () => Promise<void>,
): Promise<SecureRedis> {
  for (const node of nodes) {
    await createAclUser(node, { prefix: PREFIX });
    await node.command('ACL', 'LOG', 'RESET');
  }
  const redis = await openRedis(nodes.map((node) => node.url).join(','), {
    credentials: async () => ({ username: ACL_USER, password: ACL_PASSWORD }),
    tlsFiles: trustOf(tls.authority),
    commandTimeoutMs: 5_000,
  });
  return {
    redis,
    nodes,
    keysWithoutTtl: () => keysWithoutTtl(nodes),
    close: async () => {
      redis.close();
      const refused = await Promise.all(nodes.map((node) => node.command('ACL', 'LOG')));
      await stop();
      tls.remove();
      expect(refused.flat()).toEqual([]);
    },
  };
}

async function openServer(): Promise<SecureRedis> {
  const tls = await makeTls();
  const node = await startRedis({ tls });
  return await openSecurely([node], tls, () => node.stop());
}

async function openCluster(): Promise<SecureRedis> {
  const tls = await makeTls();
  const cluster = await startCluster({ tls, replicas: 0 });
  return await openSecurely(cluster.masters(), tls, () => cluster.stop());
}

async function keysWithoutTtl(nodes: readonly RedisNode[]): Promise<string[]> {
  const found: string[] = [];
  for (const node of nodes) {
    for (const key of ((await node.command('KEYS', '*')) as unknown[]).map(String)) {
      if ((await node.command('PTTL', key)) === -1) {
        found.push(key);
      }
    }
  }
  return found;
}

async function dumpOf(nodes: readonly RedisNode[]): Promise<string[]> {
  const found: string[] = [];
  for (const node of nodes) {
    for (const key of ((await node.command('KEYS', '*')) as unknown[]).map(String)) {
      const fields = await node.command('EVAL', "return redis.call('HGETALL', KEYS[1])", '1', key);
      found.push(key, ...(fields as unknown[]).map(String));
    }
  }
  return found;
}

function sessionFixture({ redis, nodes, keysWithoutTtl, close }: SecureRedis): SessionStoreFixture {
  return {
    store: new RedisSessionStore({ commands: redis, keyspace }),
    eventually: async (what, afterMs, probe) => {
      await waitFor(what, probe, afterMs + 5_000);
    },
    holds: async (handle) => {
      const name = keyspace.session(handle);
      return (await redis.send(name, ['EXISTS', name], soonMs())) === 1;
    },
    dump: () => dumpOf(nodes),
    keysWithoutTtl,
    close,
  };
}

const places = [
  { place: 'a server', open: openServer },
  { place: 'a Cluster', open: openCluster },
];

for (const { place, open } of places) {
  const name = `${place} over TLS, as the documented user`;

  describeRateLimitStore(name, async () => {
    const secure = await open();
    return { ...secure, store: new RedisRateLimitStore({ redis: secure.redis, keyspace }) };
  });

  sessionStoreContract(name, async () => sessionFixture(await open()));

  cacheStoreContract(name, async () => {
    const secure = await open();
    return { store: new RedisCacheStore({ commands: secure.redis, keyspace }), close: secure.close };
  });

  test(`${name}: delivers messages and reads the eviction policy`, async () => {
    const secure = await open();
    const channel = keyspace.cacheChannel('n', 7);
    const heard: string[] = [];
    const live: string[] = [];
    const subscriber = secure.redis.createSubscriber({
      onMessage: (_, message) => heard.push(message.toString()),
      onLive: (name) => live.push(name),
      onLost: () => undefined,
    });
    subscriber.subscribe(channel);
    await waitFor('the channel', () => live.length === 1);
    await secure.redis.send(channel, ['SPUBLISH', channel, 'hello'], soonMs());
    expect(await subscriber.barrier(soonMs())).toBe(true);
    expect(heard).toEqual(['hello']);
    subscriber.unsubscribe(channel);
    subscriber.close();
    expect(await secure.redis.readEvictionPolicy()).toBe('noeviction');
    await secure.close();
  });
}

describe('a server without a trusted certificate', () => {
  test('is not used for commands or for the topology', async () => {
    const tls = await makeTls();
    const stranger = await makeTls();
    const node = await startRedis({ tls });
    let attempts = 0;
    const login = {
      credentials: async () => {
        attempts += 1;
        return { username: undefined, password: undefined };
      },
    };
    for (const authority of [undefined, stranger.authority]) {
      const before = attempts;
      const redis = createRedis(redisOptions(node.url, { ...login, tlsFiles: trustOf(authority) }));
      redis.start();
      await waitFor('several attempts', () => attempts > before + 3);
      expect(redis.isReady()).toBe(false);
      await expect(redis.send('k', ['GET', 'k'], soonMs())).rejects.toMatchObject({ kind: 'unavailable' });
      expect(await node.command('CLIENT', 'LIST')).not.toContain('name=pannier');
      redis.close();
    }
    const trusting = await openRedis(node.url, { ...PATIENT, ...login, tlsFiles: trustOf(tls.authority) });
    expect(await trusting.send('k', ['GET', 'k'], soonMs())).toBeNull();
    trusting.close();
    await node.stop();
    tls.remove();
    stranger.remove();
  });
});

describe('the documented user', () => {
  test('may use no other commands and keys', async () => {
    const node = await startRedis();
    await createAclUser(node, { prefix: PREFIX });
    const redis = await openRedis(node.url, {
      ...PATIENT,
      credentials: async () => ({ username: ACL_USER, password: ACL_PASSWORD }),
    });
    const name = keyspace.session('x');
    const others = [
      ['KEYS', '*'],
      ['FLUSHALL'],
      ['CONFIG', 'GET', '*'],
      ['SCRIPT', 'FLUSH'],
      ['CLIENT', 'LIST'],
      ['GET', 'other'],
    ];
    for (const command of others) {
      await expect(redis.send(name, command, soonMs())).rejects.toMatchObject({ serverCode: 'NOPERM' });
    }
    redis.close();
    await node.stop();
  });

  test('receives an error that names the list of permissions if one is missing, in a script too', async () => {
    const node = await startRedis();
    await createAclUser(node, { prefix: PREFIX });
    await node.command('ACL', 'SETUSER', ACL_USER, '-hset');
    const redis = await openRedis(node.url, {
      ...PATIENT,
      credentials: async () => ({ username: ACL_USER, password: ACL_PASSWORD }),
    });
    const script = defineScript('writes', "return redis.call('HSET', KEYS[1], 'a', '1')");
    const name = keyspace.session('x');
    await expect(redis.run(script, [name], [], soonMs())).rejects.toMatchObject({
      message: expect.stringContaining('docs/operations/redis.md'),
    });
    redis.close();
    await node.stop();
  });

  test('has only named permissions: no command category and no pattern without a prefix', () => {
    const rules = [
      ...documentedRules('every connection'),
      ...documentedRules('limits and sessions'),
      ...documentedRules('cache'),
    ];
    for (const rule of rules) {
      expect(rule).toMatch(/^(\+[a-z_|]+|[~&]pannier:[a-z-]+:\*)$/);
    }
  });
});
