/**
 * Tests standalone masters that change roles while their connections stay open. A demoted server would reply to every
 * write with READONLY, so the client must replace its connections.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisLink, startRedisLink } from '../support/redis/link.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

let servers: RedisNode[];
let redis: Redis;

afterEach(async () => {
  redis?.close();
  await Promise.all(servers.map((server) => server.stop()));
});

async function startServers(count: number): Promise<void> {
  servers = await Promise.all(
    Array.from({ length: count }, () => startRedis({ args: ['--repl-diskless-sync-delay', '0'] })),
  );
  const [master] = servers as [RedisNode];
  await follow(master);
}

/** Makes all other servers replicas of this master. */
async function follow(master: RedisNode): Promise<void> {
  await master.command('REPLICAOF', 'NO', 'ONE');
  for (const server of servers.filter((other) => other !== master)) {
    await server.command('REPLICAOF', master.host, String(master.port));
    await waitFor('a replica', async () =>
      String(await server.command('INFO', 'replication')).includes('master_link_status:up'),
    );
  }
}

async function write(value: string): Promise<string> {
  try {
    return String(await redis.send('a', ['SET', 'a', value, 'PX', '60000'], soonMs()));
  } catch (error) {
    return error instanceof StoreError ? `${error.kind} ${error.serverCode ?? ''}`.trim() : String(error);
  }
}

test.each([1, 2])('finds the new master among three seeds, whether it is the second or the third', async (at) => {
  await startServers(3);
  redis = await openRedis(servers.map((server) => server.url).join(','), PATIENT);
  expect(await write('1')).toBe('OK');
  const next = servers[at] as RedisNode;
  await follow(next);
  await waitFor('service', async () => (await write('2')) === 'OK');
  expect(await next.command('GET', 'a')).toBe('2');
});

describe.each([1, 3])('a single seed behind which the master changes, %d connections', (connectionsPerMaster) => {
  let service: RedisLink;

  beforeEach(async () => {
    await startServers(2);
    service = await startRedisLink((servers[0] as RedisNode).port);
    redis = await openRedis(service.url, { ...PATIENT, connectionsPerMaster });
    expect(await write('1')).toBe('OK');
  });

  afterEach(async () => {
    await service.close();
  });

  test.each(['yes', 'no'])(
    'sends writes to the new master (replicas that serve stale data: %s)',
    async (servesStale) => {
      const [old, next] = servers as [RedisNode, RedisNode];
      await old.command('CONFIG', 'SET', 'replica-serve-stale-data', servesStale);
      await follow(next);
      service.target = next.port;
      await waitFor('service', async () => (await write('2')) === 'OK');
      expect(await next.command('GET', 'a')).toBe('2');
    },
  );
});
