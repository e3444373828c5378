/**
 * Tests how often servers receive topology queries: frequently at first, and rarely in a long outage. The clients of
 * the roles state and cache use the result of the same query.
 */
import type { RedisOptions } from '../../src/redis/options.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { createTopologySource } from '../../src/redis/topology-source.ts';
import { redisOptions, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { commandCalls } from '../support/redis/command-stats.ts';
import { type RedisLink, startRedisLink } from '../support/redis/link.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

/**
 * Long timeouts. On a slow machine, a short timeout could drop a connection, after which topology queries become
 * frequent again.
 */
const PATIENT = { connectTimeoutMs: 5_000, commandTimeoutMs: 5_000 };

let cluster: RedisCluster | undefined;
let server: RedisNode | undefined;
let roles: Redis[];
let proxies: RedisLink[] = [];

afterEach(async () => {
  for (const redis of roles) {
    redis.close();
  }
  await Promise.all(proxies.map((proxy) => proxy.close()));
  proxies = [];
  await cluster?.stop();
  await server?.stop();
  cluster = undefined;
  server = undefined;
});

/** Creates the clients of the roles state and cache with equal URLs, as a sidecar does. */
async function openRoles(urls: string, changes: Partial<RedisOptions> = {}): Promise<void> {
  const source = createTopologySource(redisOptions(urls, changes));
  roles = ['state', 'cache'].map((role) => createRedis(redisOptions(urls, { role, ...changes }), source));
  for (const redis of roles) {
    redis.start();
  }
  await waitFor('Redis ready', () => roles.every((redis) => redis.isReady()));
}

async function topologyRequests(node: RedisNode): Promise<number> {
  return await commandCalls(node, ['cluster|slots']);
}

async function elapsed(sinceMs: number, durationMs: number): Promise<void> {
  await waitFor('the time of the measurement', () => performance.now() - sinceMs >= durationMs, durationMs + 10_000);
}

/** Makes about 60 calls per second, spread over all slots. */
function startCalls(): () => void {
  let count = 0;
  const timer = setInterval(() => {
    count += 1;
    for (const redis of roles) {
      redis.send(`key-${count}`, ['GET', `key-${count}`], soonMs()).catch(() => undefined);
    }
  }, 33);
  return () => clearInterval(timer);
}

/**
 * Subscribes to channels in all shards with the client of the role cache. `live` always contains the channels whose
 * subscription is live.
 */
function watchChannels(live: Set<string>): readonly string[] {
  const channels = Array.from({ length: 30 }, (_, index) => `channel-${index}`);
  const subscriber = roles[1]?.createSubscriber({
    onMessage: () => undefined,
    onLive: (channel) => live.add(channel),
    onLost: (channel) => live.delete(channel),
  });
  for (const channel of channels) {
    subscriber?.subscribe(channel);
  }
  return channels;
}

test('sends at most 5 topology queries to each survivor, and makes 5 attempts to a lost shard, between 10 s and 20 s while all are watched', async () => {
  cluster = await startCluster({ replicas: 0 });
  await openRoles(cluster.urls, PATIENT);
  const live = new Set<string>();
  const channels = watchChannels(live);
  await waitFor('all channels', () => live.size === channels.length);
  const [gone, ...survivors] = cluster.nodes as [RedisNode, ...RedisNode[]];
  await gone.kill();
  const hangingUp = await startRedisLink(undefined, gone.port);
  proxies.push(hangingUp);
  const stopCalls = startCalls();
  const goneAtMs = performance.now();
  await elapsed(goneAtMs, 10_000);
  const attemptsBefore = hangingUp.accepted();
  const before = await Promise.all(survivors.map(topologyRequests));
  await elapsed(goneAtMs, 20_000);
  const after = await Promise.all(survivors.map(topologyRequests));
  const attempts = hangingUp.accepted() - attemptsBefore;
  stopCalls();
  expect(attempts).toBeGreaterThan(0);
  expect(attempts).toBeLessThanOrEqual(5);
  for (const [index, count] of after.entries()) {
    const requests = count - (before[index] ?? 0);
    expect(requests).toBeGreaterThan(0);
    expect(requests).toBeLessThanOrEqual(5);
  }
}, 60_000);

test('makes at most 5 attempts between 10 s and 20 s to a watched server that closes all connections, and recovers within one interval', async () => {
  server = await startRedis();
  const proxy = await startRedisLink(server.port);
  proxies.push(proxy);
  await openRoles(`redis://127.0.0.1:${proxy.port}`);
  const live = new Set<string>();
  const channels = watchChannels(live);
  await waitFor('all channels', () => live.size === channels.length);
  proxy.switchTo(undefined);
  const stopCalls = startCalls();
  const goneAtMs = performance.now();
  await elapsed(goneAtMs, 10_000);
  const before = proxy.accepted();
  await elapsed(goneAtMs, 20_000);
  const attempts = proxy.accepted() - before;
  stopCalls();
  expect(attempts).toBeGreaterThan(0);
  expect(attempts).toBeLessThanOrEqual(5);
  proxy.switchTo(server.port);
  await waitFor('service', () => roles.every((redis) => redis.isReady()) && live.size === channels.length, 15_000);
}, 60_000);

test.each([
  ['idle', false],
  ['with calls', true],
])(
  'makes at most 5 attempts to a seed between 10 s and 20 s while the whole Cluster is down, %s, and recovers within one interval',
  async (_, withCalls) => {
    cluster = await startCluster({ masters: 1, replicas: 0 });
    const [node] = cluster.nodes as [RedisNode];
    // The Cluster does not announce this address, so only topology refreshes use it.
    const seed = await startRedisLink(node.port);
    proxies.push(seed);
    await openRoles(`redis://127.0.0.1:${seed.port}`);
    await node.freeze();
    seed.switchTo(undefined);
    const stopCalls = withCalls ? startCalls() : () => undefined;
    const downAtMs = performance.now();
    if (!withCalls) {
      // Without a call, the client would not detect the outage.
      await Promise.allSettled(roles.map((redis) => redis.send('a', ['GET', 'a'], soonMs())));
    }
    await elapsed(downAtMs, 10_000);
    const before = seed.accepted();
    await elapsed(downAtMs, 20_000);
    const attempts = seed.accepted() - before;
    expect(attempts).toBeGreaterThan(0);
    expect(attempts).toBeLessThanOrEqual(5);
    await node.thaw();
    seed.switchTo(node.port);
    await waitFor('service', () => roles.every((redis) => redis.isReady()), 15_000);
    stopCalls();
  },
  60_000,
);

test('reads the topology every 5 s while a channel is subscribed', async () => {
  cluster = await startCluster({ masters: 1, replicas: 0 });
  await openRoles(cluster.urls);
  const [node] = cluster.nodes as [RedisNode];
  const listener = { onMessage: () => undefined, onLive: () => undefined, onLost: () => undefined };
  roles[1]?.createSubscriber(listener).subscribe('c');
  const before = await topologyRequests(node);
  // The connection of the subscriber may cause one of the queries.
  await waitFor('three requests', async () => (await topologyRequests(node)) >= before + 3, 18_000);
}, 40_000);
