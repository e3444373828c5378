/**
 * Tests failovers with real Sentinels. After every kind of failover, sidecars use the new master and never write to the
 * old one.
 */

import { StoreError } from '../../src/lib/store-error.ts';
import type { Credentials } from '../../src/redis/address.ts';
import type { AddressMap } from '../../src/redis/address-map.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { type CacheSidecar, startCacheSidecar } from '../support/cache/redis.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { addressMapOf } from '../support/redis/address-map.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { commandCalls } from '../support/redis/command-stats.ts';
import {
  MASTER_NAME,
  masterPortOf,
  monitor,
  promoted,
  type SentinelGroup,
  type SentinelGroupOptions,
  startSentinelGroup,
  startServer,
} from '../support/redis/sentinel.ts';
import type { RedisNode } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

let group: SentinelGroup;
let redis: Redis;
let lines: string[] = [];

const log = {
  ...silentLogger,
  warn: (_: object, text: string) => void lines.push(`warn ${text}`),
  error: (_: object, text: string) => void lines.push(`error ${text}`),
};

afterEach(async () => {
  redis.close();
  await group.stop();
  lines = [];
});

async function start(options: SentinelGroupOptions = {}, addressMap?: AddressMap): Promise<RedisNode> {
  group = await startSentinelGroup(options);
  const credentials = async (): Promise<Credentials> => ({ username: 'app', password: 'secret' });
  for (const sentinel of group.sentinels) {
    await sentinel.command('ACL', 'SETUSER', 'app', 'on', '>secret', '&*', '+@all');
  }
  const sentinel = { masterName: MASTER_NAME, credentials };
  redis = await openRedis(group.url, { log, sentinel, ...(addressMap === undefined ? {} : { addressMap }) });
  return group.servers[0] as RedisNode;
}

async function write(value: string): Promise<string> {
  try {
    return String(await redis.send('a', ['SET', 'a', value, 'PX', '600000'], soonMs()));
  } catch (error) {
    return error instanceof StoreError ? error.kind : String(error);
  }
}

function used(): string[] {
  return redis.describe().map(({ node }) => node);
}

function nameOf({ host, port }: RedisNode): string {
  return `${host}:${port}`;
}

/** Writes continuously until a test calls `stop`, and counts the acknowledged writes. */
class Writer {
  acknowledged = 0;
  #isStopped = false;
  readonly #loop = this.#run();

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (let value = 0; !this.#isStopped; value += 1) {
      this.acknowledged += (await write(String(value))) === 'OK' ? 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function hasPassed(durationMs: number): () => boolean {
  const untilMs = performance.now() + durationMs;
  return () => performance.now() >= untilMs;
}

async function writesTo(server: RedisNode): Promise<number> {
  return await commandCalls(server, ['set']);
}

async function lockOut(server: RedisNode, user: string): Promise<void> {
  await server.command('ACL', 'SETUSER', user, 'off');
  await server.command('CLIENT', 'KILL', 'USER', user);
}

const failovers: { how: string; begin: (master: RedisNode) => Promise<unknown> }[] = [
  { how: 'the master is killed', begin: (master) => master.kill() },
  { how: 'the master is frozen', begin: (master) => master.freeze() },
  {
    how: 'SENTINEL FAILOVER is sent',
    begin: () => (group.sentinels[0] as RedisNode).command('SENTINEL', 'FAILOVER', MASTER_NAME),
  },
];

test.each(failovers)(
  'uses the promoted replica after a failover: $how',
  async ({ begin }) => {
    const master = await start();
    expect(used()).toEqual([nameOf(master)]);
    expect(await write('1')).toBe('OK');
    const writer = new Writer();
    await begin(master);
    const next = await promoted(group, master);
    await waitFor('the promoted replica in use', () => used().join() === nameOf(next));
    await waitFor('service', async () => (await write('2')) === 'OK');
    await writer.stop();
    expect(await write('3')).toBe('OK');
    await waitFor('the value', async () => (await next.command('GET', 'a')) === '3');
    expect(redis.topologyStatus()).toMatchObject({ conflictingMasters: 0, changes: 1, notices: [] });
    expect(lines).toContain('warn changed to the Redis master that the Sentinels elected');
  },
  60_000,
);

test('abandons a partitioned old master although it and a minority of the Sentinels still answer', async () => {
  const master = await start({ replicas: 2, userOf: (index) => (index === 0 ? 'minority' : 'majority') });
  const [minority, ...majority] = group.sentinels as [RedisNode, ...RedisNode[]];
  const writer = new Writer();
  await waitFor('writes', () => writer.acknowledged > 20);
  const others = group.servers.slice(1);
  // The majority cannot reach the master, the minority reaches only the master, and neither side reaches the other.
  await lockOut(master, 'majority');
  await Promise.all(others.map((server) => lockOut(server, 'minority')));
  await minority.command('ACL', 'SETUSER', 'default', 'off');
  await minority.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  const next = await promoted({ servers: others, sentinels: majority }, master);
  await waitFor('the promoted replica in use', () => used().join() === nameOf(next));
  // A promotion also closes the connections of administrators.
  const newWrites = await waitFor('a count', () => writesTo(next));
  const oldWrites = await writesTo(master);
  const { acknowledged } = writer;
  await waitFor('100 more writes', () => writer.acknowledged >= acknowledged + 100, 30_000);
  expect(await masterPortOf(minority)).toBe(master.port);
  expect(String(await master.command('ROLE'))).toMatch(/^master/);
  expect(await writesTo(master)).toBe(oldWrites);
  expect(await writesTo(next)).toBeGreaterThanOrEqual(newWrites + 100);
  await writer.stop();
  expect(await write('last')).toBe('OK');
  expect(String(await redis.send('a', ['GET', 'a'], soonMs()))).toBe('last');
  // When the partition ends, the old master becomes a replica, and no call fails.
  await master.command('ACL', 'SETUSER', 'majority', 'on');
  await master.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await waitFor('the old master a replica', async () => /^slave/.test(String(await master.command('ROLE'))), 60_000);
  expect([await write('later'), used()]).toEqual(['OK', [nameOf(next)]]);
  expect(redis.topologyStatus().changes).toBe(1);
}, 120_000);

test('does not use a killed master that returns as an empty master', async () => {
  const master = await start();
  expect(await write('1')).toBe('OK');
  await master.kill();
  const next = await promoted(group, master);
  await waitFor('service', async () => (await write('2')) === 'OK');
  const back = await startServer(undefined, master.port);
  group.servers.push(back);
  const writer = new Writer();
  await waitFor('200 writes', () => writer.acknowledged >= 200, 30_000);
  await writer.stop();
  expect([await writesTo(back), used(), redis.topologyStatus().changes]).toEqual([0, [nameOf(next)], 1]);
}, 60_000);

test('ignores a minority that names another master', async () => {
  const master = await start();
  const stranger = await startServer();
  group.servers.push(stranger);
  const [liar] = group.sentinels as [RedisNode];
  await liar.command('SENTINEL', 'REMOVE', MASTER_NAME);
  await monitor(liar, stranger);
  const writer = new Writer();
  await waitFor('the wrong answer', async () => (await masterPortOf(liar)) === stranger.port);
  await waitFor('several queries to the wrong Sentinel', hasPassed(3_000));
  await writer.stop();
  expect([used(), await stranger.command('DBSIZE')]).toEqual([[nameOf(master)], 0]);
  expect(redis.topologyStatus()).toMatchObject({ conflictingMasters: 0, changes: 0, silentSentinels: 0, notices: [] });
}, 60_000);

test('applies the address map to masters that the Sentinels name, before and after a failover', async () => {
  const master = await start({}, addressMapOf('127.0.0.1=localhost'));
  expect(used()).toEqual([`localhost:${master.port}`]);
  expect(await write('1')).toBe('OK');
  await master.kill();
  const next = await promoted(group, master);
  await waitFor('service', async () => (await write('2')) === 'OK');
  expect(used()).toEqual([`localhost:${next.port}`]);
  await waitFor('the value', async () => (await next.command('GET', 'a')) === '2');
}, 60_000);

test('moves near-cache entries and subscriptions: a watch is flushed and receives values of the new master', async () => {
  const master = await start();
  const sidecars = await Promise.all([startCacheSidecar(group.url), startCacheSidecar(group.url)]);
  const [first, second] = sidecars as [CacheSidecar, CacheSidecar];
  await first.set('k', 'old');
  expect(await first.warm('k')).toBe('old');
  const flushesBefore = first.flushes.length;
  await master.freeze();
  await promoted(group, master);
  await waitFor('a write to the new master', async () => {
    await second.set('k', 'new');
    return true;
  });
  await waitFor('a flush', () => first.flushes.length > flushesBefore);
  await waitFor('the new value', async () => (await first.get('k')).value === 'new');
  expect(await first.warm('k')).toBe('new');
  for (const sidecar of sidecars) {
    sidecar.close();
  }
}, 60_000);
