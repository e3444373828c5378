/**
 * Tests slots and masters that move under load: no call fails as long as all servers work.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import { RedisNode } from '../../src/redis/node-table.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, PATIENT, redisOptions, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { startRedis, type RedisNode as TestNode } from '../support/redis/server.ts';
import { migrateSlot, slotOf } from '../support/redis/slot-migration.ts';
import { waitFor } from '../support/wait.ts';

const count = defineScript(
  'count',
  "local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 600000) return n",
);

interface Load {
  readonly failures: string[];
  done: number;
  stop(): Promise<void>;
}

/**
 * Increments counters at these keys with several concurrent calls. Records failures, and counts the successful calls. A
 * test can compare the number of successful calls with the counters.
 */
function startLoad(redis: Redis, keys: readonly string[]): Load {
  const load: Load = { failures: [], done: 0, stop: async () => undefined };
  let isStopped = false;
  const loops = keys.map(async (key) => {
    while (!isStopped) {
      try {
        await redis.run(count, [key], [], soonMs());
        load.done += 1;
      } catch (error) {
        load.failures.push(error instanceof StoreError ? `${error.kind} ${error.message}` : String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  load.stop = async () => {
    isStopped = true;
    await Promise.all(loops);
  };
  return load;
}

async function countedOn(redis: Redis, keys: readonly string[]): Promise<number> {
  const values = await Promise.all(keys.map((key) => redis.send(key, ['GET', key], soonMs())));
  return values.reduce<number>((sum, value) => sum + Number(value), 0);
}

describe('a Cluster under load', () => {
  let cluster: RedisCluster;
  let redis: Redis;

  beforeAll(async () => {
    cluster = await startCluster();
    redis = await openRedis(cluster.urls, { ...PATIENT, connectionsPerMaster: 2 });
  });

  afterAll(async () => {
    redis?.close();
    await cluster?.stop();
  });

  test('fails no call and counts none twice while slots migrate and script caches are flushed', async () => {
    const keys = Array.from({ length: 24 }, (_, index) => `moving-{${index}}`);
    const load = startLoad(redis, keys);
    const [source, target] = cluster.masters() as [TestNode, TestNode];
    const moved = keys.filter((key) => cluster.masterOf(key).port === source.port).slice(0, 4);
    expect(moved.length).toBeGreaterThan(1);
    for (const key of moved) {
      const migration = migrateSlot({ slot: slotOf(key), source, target, cluster });
      await migration.begin();
      const before = load.done;
      await waitFor('calls while it is open', () => load.done > before + 200);
      await Promise.all(cluster.masters().map((master) => master.command('SCRIPT', 'FLUSH')));
      await migration.moveKeys();
      const between = load.done;
      await waitFor('calls after the keys have gone', () => load.done > between + 200);
      await migration.finish();
    }
    const before = load.done;
    await waitFor('calls after the end', () => load.done > before + 200);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await countedOn(redis, keys)).toBe(load.done);
  });

  test('completes commands in flight and continues at the new master in a manual failover', async () => {
    const keys = Array.from({ length: 24 }, (_, index) => `failing-over-{${index}}`);
    const load = startLoad(redis, keys);
    const master = cluster.masters()[2] as TestNode;
    const replica = cluster.replicaOf(master);
    await waitFor('calls', () => load.done > 100);
    await replica.command('CLUSTER', 'FAILOVER');
    await waitFor('the new master known', () =>
      redis.describe().some((node) => node.node.endsWith(`:${replica.port}`) && node.isReady),
    );
    await waitFor('the old one let go', () => redis.describe().length === 3, 15_000);
    const before = load.done;
    await waitFor('calls after it', () => load.done > before + 200);
    await load.stop();
    // The old master delays its replies while the replica catches up, and then replies with MOVED. Redis must not count
    // any call twice.
    expect(load.failures.filter((failure) => !failure.startsWith('unavailable'))).toEqual([]);
    expect(await countedOn(redis, keys)).toBe(load.done);
    expect(redis.isReady()).toBe(true);
  }, 40_000);
});

test('uses all of several connections per master, and replaces a killed one without failures', async () => {
  const node = await startRedis();
  const redis = await openRedis(node.url, { ...PATIENT, connectionsPerMaster: 3 });
  const ours = async (): Promise<string[]> => {
    const list = String(await node.command('CLIENT', 'LIST'));
    return list.split('\n').filter((line) => line.includes('name=pannier'));
  };
  await waitFor('three connections', async () => (await ours()).length === 3);
  // CLIENT LIST shows the last command of each connection, which may be a topology query.
  await waitFor('all of them used', async () => {
    await Promise.all(Array.from({ length: 30 }, () => redis.run(count, ['a'], [], soonMs())));
    return (await ours()).filter((line) => /cmd=eval/.test(line)).length === 3;
  });
  const before = Number(await node.command('GET', 'a'));
  const id = /^id=(\d+)/.exec((await ours())[0] ?? '')?.[1] ?? '';
  await node.command('CLIENT', 'KILL', 'ID', id);
  await waitFor('its loss noticed and repaired', async () => {
    const lines = await ours();
    return lines.length === 3 && lines.every((line) => !line.startsWith(`id=${id} `));
  });
  const results = await Promise.all(Array.from({ length: 30 }, () => redis.run(count, ['a'], [], soonMs())));
  expect(Math.max(...results.map(Number))).toBe(before + 30);
  redis.close();
  await waitFor('none of our connections', async () => (await ours()).length === 0);
  await node.stop();
});

test('completes commands in flight on a retired node, and then closes it', async () => {
  const server = await startRedis({ args: ['--enable-debug-command', 'local'] });
  const node = new RedisNode(
    { host: server.host, port: server.port },
    {
      redis: redisOptions(server.url),
      isVouching: () => false,
      onChange: () => undefined,
    },
  );
  await waitFor('connected', () => node.isReady);
  const slow = node.ask(['DEBUG', 'SLEEP', '0.1'], soonMs());
  node.retire();
  expect(node.isReady).toBe(false);
  expect(await slow).toBe('OK');
  await waitFor('none of our connections', async () => {
    return !String(await server.command('CLIENT', 'LIST')).includes('name=pannier');
  });
  await server.stop();
});
