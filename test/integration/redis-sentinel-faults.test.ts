/**
 * Tests Sentinels that are unusable or report a wrong master. The sidecar keeps using its current master, and does not
 * choose a new master without a majority of the Sentinels. The topology status and the log state the reason.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../../src/lib/store-error.ts';
import type { Credentials } from '../../src/redis/address.ts';
import type { RedisOptions } from '../../src/redis/options.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { ACL_PASSWORD, ACL_USER, createAclUser } from '../support/redis/acl.ts';
import { redisOptions, soonMs } from '../support/redis/client.ts';
import { startRedisLink } from '../support/redis/link.ts';
import {
  MASTER_NAME,
  monitor,
  promoted,
  SERVER_PASSWORD,
  type SentinelGroup,
  type SentinelGroupOptions,
  sentinelUrl,
  startSentinel,
  startSentinelGroup,
  startServer,
} from '../support/redis/sentinel.ts';
import type { RedisNode } from '../support/redis/server.ts';
import { makeTls, trustOf } from '../support/redis/tls.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

let group: SentinelGroup;
let redis: Redis | undefined;
let lines: string[] = [];

const log = {
  ...silentLogger,
  info: (_: object, text: string) => void lines.push(`info ${text}`),
  warn: (_: object, text: string) => void lines.push(`warn ${text}`),
  error: (_: object, text: string) => void lines.push(`error ${text}`),
};

afterEach(async () => {
  redis?.close();
  redis = undefined;
  await group.stop();
  lines = [];
});

function open(url: string, changes: Partial<RedisOptions> = {}): Redis {
  redis = createRedis(redisOptions(url, { log, ...changes }));
  redis.start();
  return redis;
}

async function ready(redis: Redis): Promise<void> {
  await waitFor('service', () => redis.isReady(), 20_000);
}

async function startGroup(options?: SentinelGroupOptions): Promise<RedisNode> {
  group = await startSentinelGroup(options);
  return group.servers[0] as RedisNode;
}

async function write(redis: Redis, value: string): Promise<string> {
  try {
    return String(await redis.send('a', ['SET', 'a', value, 'PX', '600000'], soonMs()));
  } catch (error) {
    return error instanceof StoreError ? error.kind : String(error);
  }
}

function notice(redis: Redis): string {
  return redis.topologyStatus().notices.join();
}

function nodes(redis: Redis): string[] {
  return redis.describe().map(({ node }) => node);
}

function linesWith(text: string): string[] {
  return lines.filter((line) => line.includes(text));
}

test('keeps using the master when all Sentinels end, logs it once, and follows a failover when they return', async () => {
  const master = await startGroup();
  const client = open(group.url);
  await ready(client);
  const ports = group.sentinels.map(({ port }) => port);
  await Promise.all(group.sentinels.map((sentinel) => sentinel.kill()));
  await waitFor('the notice', () => notice(client) !== '');
  expect(notice(client)).toMatch(
    /^cannot determine the Redis master of "shop-main": [23] of 3 Sentinels do not answer \(/,
  );
  await waitFor('all of them missing', () => client.topologyStatus().silentSentinels === 3);
  expect(notice(client)).toContain(`; using ${nodes(client).join()} until a majority names another one`);
  // The sidecar keeps using this master even after its connection is closed.
  await master.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await waitFor('service', async () => (await write(client, '1')) === 'OK');
  expect(linesWith('cannot determine the Redis master')).toHaveLength(1);
  const back = await Promise.all(ports.map((port) => startSentinel({ port })));
  group.sentinels.push(...back);
  await Promise.all(back.map((sentinel) => monitor(sentinel, master)));
  await waitFor('the end of the notice', () => notice(client) === '', 20_000);
  expect(linesWith('problem with the Redis servers resolved')).toHaveLength(1);
  expect(await write(client, '2')).toBe('OK');
  // Two of three Sentinels elect a new master, even if the third is missing.
  await (back[2] as RedisNode).kill();
  const others = back.slice(0, 2);
  await waitFor(
    'the Sentinels discovering one another',
    async () =>
      (await Promise.all(others.map((sentinel) => sentinel.command('SENTINEL', 'CKQUORUM', MASTER_NAME)))).length === 2,
    30_000,
  );
  await waitFor(
    'a started failover',
    async () => (await others[0]?.command('SENTINEL', 'FAILOVER', MASTER_NAME)) === 'OK',
    30_000,
  );
  const next = await promoted({ servers: group.servers, sentinels: others }, master);
  await waitFor('the promoted replica in use', () => nodes(client).join() === `127.0.0.1:${next.port}`);
}, 120_000);

test('is unavailable, with one log line, while the master is dead and no replica can take over, and uses it when it returns', async () => {
  const master = await startGroup({ replicas: 0 });
  const client = open(group.url);
  await ready(client);
  await master.kill();
  const text = `cannot use the Redis master 127.0.0.1:${master.port} of "shop-main": the Sentinels name it, but it does not answer`;
  await waitFor('the notice', () => notice(client) === text);
  expect(await write(client, '1')).toBe('unavailable');
  group.servers.push(await startServer(undefined, master.port));
  await waitFor('service', async () => (await write(client, '2')) === 'OK', 20_000);
  await waitFor('the end of the notice', () => notice(client) === '');
  expect(linesWith('cannot use the Redis master')).toHaveLength(1);
}, 60_000);

test('does not call a master silent that refuses the login, and rejects calls as forbidden', async () => {
  await startGroup({ replicas: 0 });
  const client = open(group.url, { credentials: async () => ({ username: undefined, password: 'wrong' }) });
  await waitFor('the notice', () =>
    notice(client).endsWith('the Sentinels name it, but it refuses to report its role'),
  );
  await expect(client.send('a', ['GET', 'a'], soonMs())).rejects.toThrow('Redis refused the user name or password');
  expect(await write(client, '1')).toBe('forbidden');
}, 60_000);

test('uses no server without a majority at start, even if a Sentinel and the master answer', async () => {
  await startGroup();
  await Promise.all(group.sentinels.slice(1).map((sentinel) => sentinel.kill()));
  const client = open(group.url);
  await waitFor('the notice', () => notice(client) !== '');
  expect(notice(client)).toMatch(/2 of 3 Sentinels do not answer \(127[.]0[.]0[.]1:\d+, 127[.]0[.]0[.]1:\d+\)$/);
  await expect(client.send('a', ['GET', 'a'], soonMs())).rejects.toThrow('2 of 3 Sentinels do not answer');
  expect([await write(client, '1'), nodes(client)]).toEqual(['unavailable', []]);
  await waitFor('both in the log', () => linesWith('cannot use a Redis node').length === 2);
}, 60_000);

test('changes nothing if one Sentinel freezes and another one restarts', async () => {
  const master = await startGroup();
  const client = open(group.url);
  await ready(client);
  const [frozen, restarted] = group.sentinels as [RedisNode, RedisNode];
  await frozen.freeze();
  await waitFor('the loss noticed', () => linesWith('lost the connection to a Redis Sentinel').length === 1);
  expect([await write(client, '1'), notice(client)]).toEqual(['OK', '']);
  await frozen.thaw();
  await restarted.kill();
  await waitFor('the other loss noticed', () => linesWith('lost the connection to a Redis Sentinel').length === 2);
  const back = await startSentinel({ port: restarted.port });
  group.sentinels[1] = back;
  await monitor(back, master);
  expect([await write(client, '2'), client.topologyStatus().changes]).toEqual(['OK', 0]);
}, 60_000);

test('rejects a name that no Sentinel knows as forbidden, and the text names the cause', async () => {
  await startGroup({ replicas: 0 });
  const client = open(sentinelUrl(group.sentinels, false, 'shop-mian'));
  await waitFor('the notice', () => notice(client).includes('monitor no master of that name'));
  expect(notice(client)).toMatch(/^cannot determine the Redis master of "shop-mian": .*; correct the name in the URL$/);
  expect(await write(client, '1')).toBe('forbidden');
  expect(linesWith('error cannot determine the Redis master of "shop-mian"').length).toBeGreaterThan(0);
}, 60_000);

describe('Sentinels with a separate login', () => {
  const sentinelPassword = 'of-the-watch';

  async function startWithPassword(): Promise<void> {
    await startGroup({ replicas: 0, sentinelPassword });
  }

  test('are used with it, as the user in docs/operations/redis.md', async () => {
    await startWithPassword();
    for (const sentinel of group.sentinels) {
      await createAclUser(sentinel, { prefix: 'pannier:', sections: ['a Sentinel'] });
    }
    const credentials = async (): Promise<Credentials> => ({ username: ACL_USER, password: ACL_PASSWORD });
    const client = open(group.url, { sentinel: { masterName: MASTER_NAME, credentials } });
    await ready(client);
    expect(await write(client, '1')).toBe('OK');
    await waitFor('several questions', hasPassed(2_500));
    const refused = await Promise.all(group.sentinels.map((sentinel) => sentinel.command('ACL', 'LOG')));
    expect(refused.flat()).toEqual([]);
  }, 60_000);

  test('refuse a sidecar without it, and accept it once the password file is corrected', async () => {
    await startWithPassword();
    const directory = mkdtempSync(join(tmpdir(), 'pannier-sentinel-'));
    const file = join(directory, 'password');
    writeFileSync(file, 'wrong\n');
    const sidecar: Sidecar = await startSidecar({
      PANNIER_REDIS_URL: group.url,
      PANNIER_REDIS_SENTINEL_PASSWORD_FILE: file,
    });
    const readiness = async (): Promise<string> => await (await fetch(`${sidecar.adminUrl}/readyz`)).text();
    await waitFor('the refusal in /readyz', async () => (await readiness()).includes('Sentinels answer WRONGPASS'));
    expect(await readiness()).toContain('set PANNIER_REDIS_SENTINEL_PASSWORD_FILE');
    const metrics = async (): Promise<string> => await (await fetch(`${sidecar.adminUrl}/metrics`)).text();
    expect(await metrics()).toContain('pannier_redis_silent_sentinels{role="state"} 3\n');
    writeFileSync(file, `${sentinelPassword}\n`);
    await waitFor('service', async () => /redis state .*: connected/.test(await readiness()), 20_000);
    const allVote = 'pannier_redis_silent_sentinels{role="state"} 0\n';
    await waitFor('all votes', async () => (await metrics()).includes(allVote), 20_000);
    expect(sidecar.output()).not.toMatch(new RegExp(`${sentinelPassword}|${SERVER_PASSWORD}`));
    await sidecar.stop();
    rmSync(directory, { recursive: true });
  }, 60_000);
});

test('uses Sentinels and servers over TLS with the CA, and refuses them without it', async () => {
  const tls = await makeTls();
  await startGroup({ tls });
  const trusting = open(group.url, { tlsFiles: trustOf(tls.authority) });
  await ready(trusting);
  expect(await write(trusting, '1')).toBe('OK');
  trusting.close();
  const doubting = open(group.url);
  await waitFor('the notice', () => notice(doubting).includes('do not answer'));
  expect(nodes(doubting)).toEqual([]);
  tls.remove();
}, 60_000);

test('abandons the old master if a majority names a replica, and uses the replica once it is promoted', async () => {
  await startGroup();
  const [master, replica] = group.servers as [RedisNode, RedisNode];
  const client = open(group.url);
  await ready(client);
  const events: string[] = [];
  const subscriber = client.createSubscriber({
    onLive: () => void events.push('live'),
    onLost: () => void events.push('lost'),
    onMessage: () => undefined,
  });
  subscriber.subscribe('channel');
  await waitFor('the subscription', () => events.join() === 'live');
  for (const sentinel of group.sentinels.slice(1)) {
    await sentinel.command('SENTINEL', 'REMOVE', MASTER_NAME);
    await monitor(sentinel, replica);
  }
  await waitFor('the notice', () => notice(client).includes('it reports that it is a replica'));
  // The old master still works, so only the change of the master can have ended the subscription.
  expect(events.join()).toBe('live,lost');
  expect([await write(client, '1'), nodes(client), await master.command('DBSIZE')]).toEqual(['unavailable', [], 0]);
  await replica.command('REPLICAOF', 'NO', 'ONE');
  await waitFor('service', async () => (await write(client, '2')) === 'OK', 20_000);
  expect(nodes(client)).toEqual([`127.0.0.1:${replica.port}`]);
  await waitFor('the subscription there', () => events.join() === 'live,lost,live');
}, 60_000);

test('uses a URL with one Sentinel of three and logs a warning', async () => {
  await startGroup({ replicas: 0 });
  const client = open(sentinelUrl(group.sentinels.slice(0, 1)));
  await ready(client);
  await waitFor('the warning', () => linesWith('the URL lists too few of the Redis Sentinels').length === 1);
}, 60_000);

test('detects a Sentinel that never replies, and reports a server that is not a Sentinel', async () => {
  const master = await startGroup({ replicas: 0 });
  const link = await startRedisLink(group.sentinels[0]?.port);
  const urls = `127.0.0.1:${link.port},127.0.0.1:${group.sentinels[1]?.port},127.0.0.1:${master.port}`;
  const client = open(`redis+sentinel://:${SERVER_PASSWORD}@${urls}/${MASTER_NAME}`, {
    sentinel: {
      masterName: MASTER_NAME,
      credentials: async () => ({ username: undefined, password: undefined }),
    },
  });
  await ready(client);
  link.discardAll();
  await waitFor('the notice', () => notice(client) !== '');
  expect(notice(client)).toMatch(/Sentinels (do not answer|answer NOAUTH)/);
  expect(await write(client, '1')).toBe('OK');
  await link.close();
}, 60_000);

test('rejects a redis:// URL to a Sentinel and suggests the right URL', async () => {
  await startGroup({ replicas: 0 });
  const port = group.sentinels[0]?.port;
  const client = open(`redis://127.0.0.1:${port}`);
  const reason = await waitFor('the reason', () => client.topologyStatus().reasons.get(`127.0.0.1:${port}`));
  expect(reason).toBe('the server is a Sentinel; use a redis+sentinel:// URL with the name of the master');
  expect(await write(client, '1')).toBe('unavailable');
}, 60_000);

function hasPassed(durationMs: number): () => boolean {
  const untilMs = performance.now() + durationMs;
  return () => performance.now() >= untilMs;
}
