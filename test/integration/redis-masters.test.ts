/**
 * Tests several standalone seeds. A sidecar follows the replication history of its data, and never uses an unrelated
 * master. All sidecars of a fleet choose the same master.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { StoreError } from '../../src/lib/store-error.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { openRedis, redisOptions, soonMs } from '../support/redis/client.ts';
import { freePort, type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const ARGS = ['--repl-diskless-sync-delay', '0', '--enable-debug-command', 'local'];

let servers: RedisNode[] = [];
let fleet: Redis[] = [];
let lines: string[] = [];

const log = {
  ...silentLogger,
  warn: (_: object, text: string) => void lines.push(`warn ${text}`),
  error: (_: object, text: string) => void lines.push(`error ${text}`),
};

afterEach(async () => {
  for (const redis of fleet) {
    redis.close();
  }
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
  fleet = [];
  lines = [];
});

async function startServers(count: number): Promise<RedisNode[]> {
  servers = await Promise.all(Array.from({ length: count }, () => startRedis({ args: ARGS })));
  return servers;
}

async function restartEmpty(server: RedisNode): Promise<RedisNode> {
  await server.kill();
  const next = await startRedis({ args: ARGS, port: server.port });
  servers.push(next);
  return next;
}

function startFleet(count: number, ...seeds: readonly RedisNode[]): Redis[] {
  const urls = seeds.map((seed) => seed.url).join(',');
  fleet = Array.from({ length: count }, () => createRedis(redisOptions(urls, { log })));
  for (const redis of fleet) {
    redis.start();
  }
  return fleet;
}

async function startOne(...seeds: readonly RedisNode[]): Promise<Redis> {
  const redis = await openRedis(seeds.map((seed) => seed.url).join(','), { log });
  fleet.push(redis);
  return redis;
}

async function replicate(replica: RedisNode, master: RedisNode): Promise<void> {
  await replica.command('REPLICAOF', master.host, String(master.port));
  await waitFor('a replica', async () =>
    String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
  );
}

async function write(redis: Redis | undefined, value: string): Promise<string> {
  try {
    return String(await redis?.send('a', ['SET', 'a', value, 'PX', '600000'], soonMs()));
  } catch (error) {
    return error instanceof StoreError ? error.kind : String(error);
  }
}

function usedBy(redis: Redis): string[] {
  return redis.describe().map(({ node }) => node);
}

test('rejects two masters at start with a clear text, and all sidecars use the same one when the other becomes a replica', async () => {
  const [a, b] = (await startServers(2)) as [RedisNode, RedisNode];
  startFleet(4, a, b);
  await waitFor('the conflict noticed', () => fleet.every((redis) => redis.topologyStatus().conflictingMasters === 2));
  for (const redis of fleet) {
    const call = redis.send('a', ['SET', 'a', '1', 'PX', '600000'], soonMs());
    await expect(call).rejects.toThrow(`${a.url.slice(8)}, ${b.url.slice(8)} are all masters`);
    expect(redis.topologyStatus().notices).toHaveLength(1);
  }
  expect([await a.command('DBSIZE'), await b.command('DBSIZE')]).toEqual([0, 0]);
  expect(lines.filter((line) => line.startsWith('error cannot choose a Redis master'))).toHaveLength(4);
  await replicate(a, b);
  await waitFor('service', () => fleet.every((redis) => redis.isReady()), 20_000);
  expect(fleet.map(usedBy)).toEqual(fleet.map(() => [b.url.slice(8)]));
  expect(fleet.map((redis) => redis.topologyStatus())).toEqual(
    fleet.map(() => ({ conflictingMasters: 0, changes: 0, notices: [], reasons: new Map() })),
  );
}, 60_000);

test('never uses an empty master that appeared beside a busy one, despite stalls and lost connections', async () => {
  const [b, a] = (await startServers(2)) as [RedisNode, RedisNode];
  await replicate(a, b);
  const redis = await startOne(a, b);
  expect(await write(redis, 'kept')).toBe('OK');
  const stranger = await restartEmpty(a);
  for (let stall = 0; stall < 5; stall += 1) {
    await b.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await b.command('DEBUG', 'SLEEP', '0.4');
    await waitFor('service', async () => (await write(redis, 'kept')) === 'OK');
  }
  expect(usedBy(redis)).toEqual([b.url.slice(8)]);
  expect(await stranger.command('DBSIZE')).toBe(0);
  await waitFor('the conflict noticed', () => redis.topologyStatus().conflictingMasters === 1);
  expect(lines.filter((line) => line.startsWith('error more than one Redis master'))).toHaveLength(1);
}, 60_000);

test('keeps using a slow master with a long command timeout beside a fast empty one', async () => {
  const [b, a] = (await startServers(2)) as [RedisNode, RedisNode];
  await replicate(a, b);
  const redis = await openRedis([a, b].map(({ url }) => url).join(','), { log, commandTimeoutMs: 3_000 });
  fleet.push(redis);
  const stranger = await restartEmpty(a);
  let isOver = false;
  const slow = (async () => {
    while (!isOver) {
      await b.command('DEBUG', 'SLEEP', '0.06');
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  })();
  for (let loss = 0; loss < 10; loss += 1) {
    await b.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await waitFor('service', async () => (await write(redis, 'kept')) === 'OK');
  }
  isOver = true;
  await slow;
  expect(usedBy(redis)).toEqual([b.url.slice(8)]);
  expect(await stranger.command('DBSIZE')).toBe(0);
}, 60_000);

test('uses a promoted replica at once, ignores the old master that returns empty, and follows a second failover', async () => {
  const [first, second, third] = (await startServers(3)) as [RedisNode, RedisNode, RedisNode];
  await Promise.all([replicate(second, first), replicate(third, first)]);
  const redis = await startOne(first, second, third);
  expect(await write(redis, '1')).toBe('OK');
  await first.kill();
  await second.command('REPLICAOF', 'NO', 'ONE');
  await replicate(third, second);
  await waitFor('the promoted replica in use', async () => (await write(redis, '2')) === 'OK');
  expect(await second.command('GET', 'a')).toBe('2');
  const back = await restartEmpty(first);
  await waitFor('the conflict noticed', () => redis.topologyStatus().conflictingMasters === 1, 20_000);
  expect([usedBy(redis), await back.command('DBSIZE')]).toEqual([[second.url.slice(8)], 0]);
  await second.kill();
  await waitFor('the loss noticed', async () => (await write(redis, '3')) === 'unavailable');
  await third.command('REPLICAOF', 'NO', 'ONE');
  await waitFor('the second promoted replica in use', async () => (await write(redis, '3')) === 'OK', 20_000);
  expect([await third.command('GET', 'a'), await back.command('DBSIZE')]).toEqual(['3', 0]);
  expect(redis.topologyStatus().changes).toBe(2);
}, 60_000);

test('serves nothing from an unrelated master after the old master was demoted', async () => {
  const [b, a] = (await startServers(2)) as [RedisNode, RedisNode];
  await replicate(a, b);
  const redis = await startOne(a, b);
  expect(await write(redis, '1')).toBe('OK');
  const stranger = await restartEmpty(a);
  const elsewhere = await freePort();
  await b.command('REPLICAOF', '127.0.0.1', String(elsewhere));
  const ignored = (): boolean =>
    redis.topologyStatus().notices.some((notice) => notice.includes('has become a replica'));
  await waitFor('the demotion noticed', ignored);
  expect([await write(redis, '2'), await stranger.command('DBSIZE')]).toEqual(['unavailable', 0]);
  await b.command('REPLICAOF', 'NO', 'ONE');
  await waitFor('service', async () => (await write(redis, '2')) === 'OK', 20_000);
}, 60_000);

test.each([
  ['its port is closed', false],
  ['it accepts connections and never replies', true],
])(
  'waits for a seed that is silent at start, then uses the other one with a warning (%s)',
  async (_, accepts) => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    if (accepts) {
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
    }
    const port = accepts ? (silent.address() as { port: number }).port : await freePort();
    const [node] = (await startServers(1)) as [RedisNode];
    const startedAtMs = performance.now();
    const redis = createRedis(redisOptions(`redis://127.0.0.1:${port},${node.url}`, { log }));
    fleet.push(redis);
    redis.start();
    const waiting = `waiting up to 10 s for 127.0.0.1:${port}`;
    await waitFor('the wait announced', () =>
      redis.topologyStatus().notices.some((notice) => notice.includes(waiting)),
    );
    await expect(redis.send('a', ['GET', 'a'], soonMs())).rejects.toThrow(waiting);
    await waitFor('the other one in use', () => redis.isReady(), 30_000);
    expect(performance.now() - startedAtMs).toBeGreaterThan(9_900);
    expect(await write(redis, '1')).toBe('OK');
    expect(lines).toContain('warn using the only Redis master among the seeds that answered');
    for (const socket of sockets) {
      socket.destroy();
    }
    silent.close();
  },
  60_000,
);
