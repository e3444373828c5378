/**
 * Tests an unrelated Redis at the address of a node whose Cluster is unavailable. The sidecar does not use the
 * unrelated Redis, and writes nothing to it.
 *
 * The sidecar reaches each node through a proxy, so that another server can temporarily take over the address of a
 * node.
 */

import { StoreError } from '../../src/lib/store-error.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { PATIENT, redisOptions, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { type RedisLink, startRedisLink } from '../support/redis/link.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = Array.from({ length: 30 }, (_, index) => `session-${index}`);

let cluster: RedisCluster;
let proxies: RedisLink[];
let redis: Redis;
let errors: string[];
let others: { stop(): Promise<void> }[];

beforeEach(async () => {
  cluster = await startCluster({ replicas: 0 });
  proxies = await Promise.all(cluster.nodes.map((node) => startRedisLink(node.port)));
  others = [];
  errors = [];
  await announce(proxies);
});

afterEach(async () => {
  redis.close();
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await Promise.all([cluster.stop(), ...others.map((other) => other.stop())]);
});

/**
 * Makes every node announce the address of its proxy. The other nodes receive this address through gossip a little
 * later.
 */
async function announce(links: readonly RedisLink[]): Promise<void> {
  for (const [index, node] of cluster.nodes.entries()) {
    await node.command('CONFIG', 'SET', 'cluster-announce-port', String(links[index]?.port));
  }
  await waitFor('the announced addresses in the reports of all nodes', async () => {
    const slots = await Promise.all(cluster.nodes.map((node) => node.command('CLUSTER', 'SLOTS')));
    return slots.every((reply) => links.every(({ port }) => JSON.stringify(reply).includes(String(port))));
  });
}

async function open(seeds: readonly RedisLink[]): Promise<void> {
  const urls = seeds.map(({ port }) => `redis://127.0.0.1:${port}`).join(',');
  const log = { ...silentLogger, error: (_: object, text: string) => void errors.push(text) };
  redis = createRedis(redisOptions(urls, { ...PATIENT, log }));
  redis.start();
  await waitFor('Redis ready', () => redis.isReady());
  for (const key of KEYS) {
    expect(await redis.send(key, ['SET', key, 'mine', 'PX', '600000'], soonMs())).toBe('OK');
  }
}

/** Writes to every key, and returns each outcome once. */
async function outcomes(): Promise<string[]> {
  const all = KEYS.map(async (key) => {
    try {
      return String(await redis.send(key, ['SET', key, 'mine', 'PX', '600000'], soonMs()));
    } catch (error) {
      return error instanceof StoreError ? error.kind : String(error);
    }
  });
  return [...new Set(await Promise.all(all))].sort();
}

async function startForeign(kind: string): Promise<RedisNode> {
  if (kind !== 'of another Cluster') {
    const node = await startRedis({ args: kind === 'without CLUSTER' ? ['--rename-command', 'CLUSTER', ''] : [] });
    others.push(node);
    return node;
  }
  const other = await startCluster({ masters: 1, replicas: 0 });
  others.push(other);
  return other.nodes[0] as RedisNode;
}

test.each([
  ['standalone', 'not a seed', [0]],
  ['of another Cluster', 'not a seed', [0]],
  ['standalone', 'one of several seeds', [0, 1, 2]],
  ['of another Cluster', 'one of several seeds', [0, 1, 2]],
  ['without CLUSTER', 'one of several seeds', [0, 1, 2]],
])(
  'keeps a foreign server (%s) at the address of a node (%s) empty, and uses the Cluster again when it returns',
  async (kind, _, seeds) => {
    await open(seeds.map((index) => proxies[index] as RedisLink));
    const foreign = await startForeign(kind);
    const taken = proxies[1] as RedisLink;
    for (const proxy of proxies) {
      proxy.switchTo(proxy === taken ? foreign.port : undefined);
    }
    await waitFor('no service', async () => (await outcomes()).join() === 'unavailable');
    const before = taken.accepted();
    const goneAtMs = performance.now();
    await waitFor(
      'several attempts at the foreign server',
      async () => {
        expect(await outcomes()).toEqual(['unavailable']);
        return (
          taken.accepted() >= before + 10 &&
          performance.now() >= goneAtMs + 8_000 &&
          redis.topologyStatus().notices.length === 1
        );
      },
      30_000,
    );
    expect(await foreign.command('DBSIZE')).toBe(0);
    expect(redis.isReady()).toBe(false);
    expect(errors).toContain(
      `cannot reach the Redis Cluster: ignoring servers that do not belong to it (127.0.0.1:${taken.port}); point the seeds at its nodes`,
    );
    for (const [index, proxy] of proxies.entries()) {
      proxy.switchTo(cluster.nodes[index]?.port);
    }
    await waitFor('service', async () => (await outcomes()).join() === 'OK', 20_000);
    expect(await Promise.all(KEYS.map((key) => redis.send(key, ['GET', key], soonMs())))).toEqual(
      KEYS.map(() => Buffer.from('mine')),
    );
    expect(await foreign.command('DBSIZE')).toBe(0);
    await waitFor('the end of the notice', () => redis.topologyStatus().notices.length === 0);
  },
  90_000,
);

test('uses another deployment at the only seed after 30 s, with an error in the log', async () => {
  const [seed] = proxies as [RedisLink];
  await open([seed]);
  const foreign = await startForeign('standalone');
  const goneAtMs = performance.now();
  for (const proxy of proxies) {
    proxy.switchTo(proxy === seed ? foreign.port : undefined);
  }
  await waitFor('the other deployment in use', () => redis.isReady() && redis.topologyStatus().changes === 1, 60_000);
  expect(performance.now() - goneAtMs).toBeGreaterThan(29_000);
  expect(errors.some((text) => text.startsWith('changed to another Redis deployment'))).toBe(true);
  expect(await outcomes()).toEqual(['OK']);
}, 90_000);

test('finds a Cluster that returns with a new address of every node by the ids of its nodes', async () => {
  const seed = await startRedisLink(cluster.nodes[0]?.port);
  others.push({ stop: () => seed.close() });
  await open([seed]);
  for (const proxy of [seed, ...proxies]) {
    proxy.switchTo(undefined);
  }
  await waitFor('no service', async () => (await outcomes()).join() === 'unavailable');
  const moved = await Promise.all(cluster.nodes.map((node) => startRedisLink(node.port)));
  others.push(...moved.map((proxy) => ({ stop: () => proxy.close() })));
  await announce(moved);
  seed.switchTo(cluster.nodes[0]?.port);
  await waitFor('service', async () => (await outcomes()).join() === 'OK', 30_000);
  const used = redis
    .describe()
    .map(({ node }) => node)
    .sort();
  expect(used).toEqual(moved.map(({ port }) => `127.0.0.1:${port}`).sort());
}, 60_000);
