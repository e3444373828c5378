/**
 * Tests servers that refuse the CLUSTER command. The sidecar uses a standalone server that reports its role. It rejects
 * Cluster nodes, and servers that do not report a role. It still treats a missing permission as an error.
 */

import { StoreError } from '../../src/lib/store-error.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { ClusterHiddenError } from '../../src/redis/refused-server.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { PATIENT, redisOptions, soonMs } from '../support/redis/client.ts';
import { bulk, MASTER, REPLICA } from '../support/redis/fake-redis-master.ts';
import { type FakeRedisPeer, startFakeRedisPeer } from '../support/redis/fake-redis-peer.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const WITHOUT_CLUSTER = ['--rename-command', 'CLUSTER', ''];

let redis: Redis | undefined;
let servers: RedisNode[] = [];
let peer: FakeRedisPeer | undefined;
let reasons: unknown[];

afterEach(async () => {
  redis?.close();
  await Promise.all(servers.map((server) => server.stop()));
  await peer?.close();
  servers = [];
  peer = undefined;
});

async function start(...args: readonly string[]): Promise<RedisNode> {
  const server = await startRedis({ args });
  servers.push(server);
  return server;
}

function open(urls: string, login?: { username: string; password: string }): Redis {
  reasons = [];
  const log = { ...silentLogger, warn: (fields: object) => void reasons.push((fields as { reason?: unknown }).reason) };
  const credentials = login === undefined ? {} : { credentials: async () => login };
  redis = createRedis(redisOptions(urls, { ...PATIENT, ...credentials, log }));
  redis.start();
  return redis;
}

async function outcome(opened: Redis): Promise<string> {
  try {
    return String(await opened.send('a', ['SET', 'a', '1', 'PX', '60000'], soonMs()));
  } catch (error) {
    return error instanceof StoreError ? `${error.kind} ${error.serverCode ?? ''}`.trim() : String(error);
  }
}

test('uses a standalone master whose CLUSTER command is renamed', async () => {
  const server = await start(...WITHOUT_CLUSTER);
  await expect(server.command('CLUSTER', 'SLOTS')).rejects.toThrow('unknown command');
  const opened = open(server.url);
  await waitFor('service', async () => (await outcome(opened)) === 'OK');
  expect(opened.describe()).toMatchObject([{ node: `127.0.0.1:${server.port}`, isReady: true }]);
});

test('uses the master of two such servers, and follows a failover', async () => {
  const master = await start(...WITHOUT_CLUSTER, '--repl-diskless-sync-delay', '0');
  const replica = await start(...WITHOUT_CLUSTER, '--replicaof', '127.0.0.1', String(master.port));
  await waitFor('the replica', async () =>
    String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
  );
  const opened = open(`${replica.url},${master.url}`);
  await waitFor('service', async () => (await outcome(opened)) === 'OK');
  expect(opened.describe().map(({ node }) => node)).toEqual([`127.0.0.1:${master.port}`]);
  await replica.command('REPLICAOF', 'NO', 'ONE');
  await master.command('REPLICAOF', '127.0.0.1', String(replica.port));
  await waitFor('service by the new master', async () => {
    const isOk = (await outcome(opened)) === 'OK';
    return isOk && opened.describe().some(({ node }) => node === `127.0.0.1:${replica.port}`);
  });
});

test('rejects a Cluster node whose CLUSTER command is renamed', async () => {
  const server = await start('--cluster-enabled', 'yes', ...WITHOUT_CLUSTER);
  const opened = open(server.url);
  await waitFor('the reason', () => reasons.includes(new ClusterHiddenError().message));
  expect(opened.describe()).toEqual([]);
  expect(await outcome(opened)).toBe('unavailable');
});

test.each([
  ['ROLE', [], 'OK'],
  ['INFO', ['--rename-command', 'ROLE', ''], 'OK'],
  ['neither', ['--rename-command', 'ROLE', '', '--rename-command', 'INFO', ''], 'unavailable'],
])('reads the role from %s, and rejects a server that reports none', async (_, renamed, expected) => {
  const server = await start(...WITHOUT_CLUSTER, ...renamed);
  const opened = open(server.url);
  await waitFor('a decision', () => opened.isReady() || reasons.length > 0);
  expect(await outcome(opened)).toBe(expected);
  expect(reasons).toEqual(expected === 'OK' ? [] : [new ClusterHiddenError().message]);
});

test('rejects a user without permission for CLUSTER SLOTS until it is granted', async () => {
  const server = await start();
  await server.command('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', '&*', '+@all', '-cluster|slots');
  const opened = open(server.url, { username: 'narrow', password: 'secret' });
  await waitFor('the refusal', async () => (await outcome(opened)) === 'forbidden NOPERM');
  expect(opened.isReady()).toBe(false);
  await server.command('ACL', 'SETUSER', 'narrow', '+cluster|slots');
  await waitFor('service', async () => (await outcome(opened)) === 'OK');
});

describe('Dragonfly', () => {
  async function startDragonfly(role: string): Promise<string> {
    peer = await startFakeRedisPeer({
      onCommand: ({ words: [name = ''], answer }) => {
        const replies: Record<string, string> = {
          CLUSTER: '-ERR Cluster is disabled. Use --cluster_mode=yes to enable.\r\n',
          ROLE: role,
          INFO: bulk('# Server\r\nredis_version:7.4.0\r\n'),
          SET: '+OK\r\n',
        };
        answer(replies[name] ?? '-ERR unknown command\r\n');
      },
    });
    return `redis://127.0.0.1:${peer.port}`;
  }

  test('is used if it is a master', async () => {
    const opened = open(await startDragonfly(MASTER));
    await waitFor('service', async () => (await outcome(opened)) === 'OK');
  });

  test('is rejected if it is a replica', async () => {
    const opened = open(await startDragonfly(REPLICA));
    await waitFor('the notice', () => opened.topologyStatus().notices.length > 0);
    expect(await outcome(opened)).toBe('unavailable');
    expect(opened.describe()).toEqual([]);
  });
});
