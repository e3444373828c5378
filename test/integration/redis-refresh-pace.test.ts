/**
 * How often servers are asked for the topology (cases M2 and A10): often at first, seldom in a long outage, once for both roles.
 */
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { createTopologySource } from '../../src/redis/topology-source.ts';
import { redisOptions, soonMs } from '../support/redis-client.ts';
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts';
import type { RedisNode } from '../support/redis-server.ts';
import { type SwitchProxy, startSwitchProxy } from '../support/switch-proxy.ts';
import { waitFor } from '../support/wait.ts';

/** A connection that is dropped because the machine is slow would be trouble of its own, and begin the pace again. */
const patient = { connectTimeoutMs: 5_000, commandTimeoutMs: 5_000 };

let cluster: RedisCluster;
let roles: Redis[];
let proxies: SwitchProxy[] = [];

afterEach(async () => {
  for (const redis of roles) {
    redis.close();
  }
  await Promise.all(proxies.map((proxy) => proxy.close()));
  proxies = [];
  await cluster.stop();
});

/** Two roles with equal URLs, as a sidecar has them. */
async function openRoles(urls: string): Promise<void> {
  const source = createTopologySource(redisOptions(urls, patient));
  roles = ['state', 'cache'].map((role) => createRedis(redisOptions(urls, { role, ...patient }), source));
  for (const redis of roles) {
    redis.start();
  }
  await waitFor('Redis ready', () => roles.every((redis) => redis.isReady()));
}

async function topologyRequests(node: RedisNode): Promise<number> {
  const info = String(await node.command('INFO', 'commandstats'));
  return Number(/cmdstat_cluster\|slots:calls=(\d+)/.exec(info)?.[1] ?? 0);
}

async function elapsed(sinceMs: number, durationMs: number): Promise<void> {
  await waitFor('the time of the measurement', () => performance.now() - sinceMs >= durationMs, durationMs + 10_000);
}

/** About 60 calls per second, spread over all slots. */
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

test('one of three shards is gone: each surviving master gets at most 5 topology requests between 10 s and 20 s', async () => {
  cluster = await startCluster({ replicas: 0 });
  await openRoles(cluster.urls);
  const [gone, ...survivors] = cluster.nodes as [RedisNode, ...RedisNode[]];
  await gone.kill();
  const stopCalls = startCalls();
  const goneAtMs = performance.now();
  await elapsed(goneAtMs, 10_000);
  const before = await Promise.all(survivors.map(topologyRequests));
  await elapsed(goneAtMs, 20_000);
  const after = await Promise.all(survivors.map(topologyRequests));
  stopCalls();
  for (const [index, count] of after.entries()) {
    const requests = count - (before[index] ?? 0);
    expect(requests).toBeGreaterThan(0);
    expect(requests).toBeLessThanOrEqual(5);
  }
}, 60_000);

test.each([
  ['idle', false],
  ['with calls', true],
])(
  'the whole Cluster is down, %s: at most 5 attempts at a seed between 10 s and 20 s, and recovery within one interval',
  async (_, withCalls) => {
    cluster = await startCluster({ masters: 1, replicas: 0 });
    const [node] = cluster.nodes as [RedisNode];
    // Not an address that the Cluster announces: only refreshes lead here.
    const seed = await startSwitchProxy(node.port);
    proxies.push(seed);
    await openRoles(`redis://127.0.0.1:${seed.port}`);
    await node.freeze();
    seed.switchTo(undefined);
    const stopCalls = withCalls ? startCalls() : () => undefined;
    const downAtMs = performance.now();
    if (!withCalls) {
      // Nobody else would notice.
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

test('while a channel is subscribed the topology is read every 5 s', async () => {
  cluster = await startCluster({ masters: 1, replicas: 0 });
  await openRoles(cluster.urls);
  const [node] = cluster.nodes as [RedisNode];
  const listener = { onMessage: () => undefined, onLive: () => undefined, onLost: () => undefined };
  roles[1]?.createSubscriber(listener).subscribe('c');
  const before = await topologyRequests(node);
  // One of them may be due to the connection of the subscriber.
  await waitFor('three requests', async () => (await topologyRequests(node)) >= before + 3, 18_000);
}, 40_000);
