/**
 * Tests a Cluster behind a NAT. The nodes announce unreachable addresses, and the address map contains the reachable
 * addresses. The tests migrate slots to show that the sidecar also maps the addresses in MOVED and ASK.
 */
import type { Redis } from '../../src/redis/redis.ts';
import { addressMapOf } from '../support/redis/address-map.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { freePort, type RedisNode } from '../support/redis/server.ts';
import { migrateSlot, slotOf } from '../support/redis/slot-migration.ts';
import { waitFor } from '../support/wait.ts';

let cluster: RedisCluster;
let announcedPorts: number[];
let redis: Redis;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 });
  announcedPorts = await Promise.all(cluster.nodes.map(() => freePort()));
  for (const [index, node] of cluster.nodes.entries()) {
    await node.command('CONFIG', 'SET', 'cluster-announce-port', String(announcedPorts[index]));
  }
  await waitFor('the announced addresses in the reports of all nodes', async () => {
    const slots = await Promise.all(cluster.nodes.map((node) => node.command('CLUSTER', 'SLOTS')));
    return slots.every((reply) => announcedPorts.every((port) => JSON.stringify(reply).includes(String(port))));
  });
  const entries = cluster.nodes.map(({ port }, index) => `127.0.0.1:${announcedPorts[index]}=localhost:${port}`);
  const addressMap = addressMapOf(entries.join(','));
  redis = await openRedis(cluster.urls, { ...PATIENT, addressMap });
});

afterAll(async () => {
  redis?.close();
  await cluster?.stop();
});

async function write(key: string, value: string): Promise<void> {
  expect(await redis.send(key, ['SET', key, value, 'PX', '600000'], soonMs())).toBe('OK');
}

test('reaches all nodes, each under its reachable address', async () => {
  for (let index = 0; index < 20; index += 1) {
    await write(`key-${index}`, 'x');
  }
  const names = cluster.nodes.map(({ port }) => `localhost:${port}`);
  expect(
    redis
      .describe()
      .map(({ node }) => node)
      .sort(),
  ).toEqual(names.sort());
});

test('follows a migrating slot: ASK and MOVED name announced addresses, and no node gets another name', async () => {
  const key = 'moving';
  const source = cluster.masterOf(key);
  const target = cluster.masters().find((node) => node !== source) as RedisNode;
  await write(key, 'before');
  const migration = migrateSlot({ slot: slotOf(key), source, target, cluster });
  await migration.begin();
  await migration.moveKeys();
  await write(key, 'during');
  expect(await target.command('ASKING')).toBe('OK');
  expect(await target.command('GET', key)).toBe('during');
  await migration.finish();
  await write(key, 'after');
  expect(await target.command('GET', key)).toBe('after');
  expect(redis.describe()).toHaveLength(cluster.nodes.length);
});
