/**
 * Tests a watch when the master of a bucket is cut off from the cluster bus and replaced, while clients can still reach
 * the old master. Once the node timeout has passed, the watch must not send confirmations that are based on replies of
 * the old master.
 */
import { bucketOf } from '../../src/lib/key-hash.ts';
import { type CacheSidecar, keyspace, startCacheSidecar } from '../support/cache/redis.ts';
import { startWatcher, type Watcher } from '../support/cache/watch.ts';
import { type RedisBus, startRedisBus } from '../support/redis/bus-proxy.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { waitFor } from '../support/wait.ts';

const NODE_TIMEOUT_MS = 2_000;
const BARRIER_MS = 1_000;
const KEY = 'key';

let bus: RedisBus;
let cluster: RedisCluster;
let one: CacheSidecar;
let two: CacheSidecar;
let watcher: Watcher;

beforeAll(async () => {
  bus = await startRedisBus(6);
  cluster = await startCluster({ masters: 3, replicas: 3, nodeTimeoutMs: NODE_TIMEOUT_MS, bus });
  one = await startCacheSidecar(cluster.urls);
  two = await startCacheSidecar(cluster.urls);
  watcher = await startWatcher(one);
}, 60_000);

afterAll(async () => {
  await watcher?.close();
  one?.close();
  two?.close();
  await cluster?.stop();
  await bus?.close();
});

/** Writes through the second sidecar as soon as the store accepts the write. */
async function setThroughTwo(value: string): Promise<void> {
  await waitFor('the write', () => two.set(KEY, value).then(() => true), 30_000);
}

test('reports a write through another sidecar and confirms it if there is no fault', async () => {
  await watcher.confirmed();
  await setThroughTwo('old');
  await waitFor('the event', () => watcher.events().length > 0);
  await watcher.confirmed();
  expect(watcher.events()).toEqual([`key ${KEY}`]);
});

test('confirms nothing without the change or a flush if a master is cut off from the bus, and recovers later', async () => {
  const master = cluster.masterOf(keyspace.cacheChannel('n', bucketOf(KEY)));
  const replica = cluster.replicaOf(master);
  const before = watcher.events().length;
  bus.isolate(cluster.nodes.indexOf(master));
  const cutAtMs = performance.now();
  await waitFor(
    'the promotion',
    async () => String(await replica.command('INFO', 'replication')).includes('role:master'),
    20_000,
  );
  await setThroughTwo('new');
  const writtenAtMs = performance.now();
  await waitFor('the change or a flush', () => watcher.events().length > before, 20_000);
  await watcher.confirmed(30_000);
  const wrong = watcher.confirmations.filter(({ atMs, validForMs, eventCount }) => {
    const isLate = atMs > cutAtMs + NODE_TIMEOUT_MS + BARRIER_MS || atMs > writtenAtMs;
    return isLate && validForMs > 0 && eventCount === before;
  });
  expect(wrong).toEqual([]);
  // The test is meaningful only if clients can still reach the old master.
  expect(await master.command('PING')).toBe('PONG');

  await waitFor(
    'the watch at the new master',
    async () => {
      const seen = watcher.events().length;
      await setThroughTwo('newer');
      await watcher.confirmed();
      return watcher.events().slice(seen).includes(`key ${KEY}`);
    },
    30_000,
  );
}, 90_000);
