/**
 * Tests the checks before and during subscriptions against a simulated server. The server acts as a replica, as a
 * master without a majority, as a master whose slots have moved, or as a server that reports no role.
 */

import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { soonMs as inMs, redisOptions } from '../../test/support/redis/client.ts';
import { bulk, type FakeMaster, MASTER, REPLICA, startFakeMaster } from '../../test/support/redis/fake-redis-master.ts';
import { noRedisMetrics } from '../../test/support/redis/no-metrics.ts';
import { waitFor } from '../../test/support/wait.ts';
import { SubscriberConnection } from './subscriber-connection.ts';

/** Returns a distant deadline, so that no barrier fails on a slow machine. */
function soonMs(): number {
  return inMs(10_000);
}

let fake: FakeMaster;
let connection: SubscriberConnection;
let events: string[];
let reasons: string[];
let warnings: string[];
let notPermitted: number;

beforeEach(async () => {
  fake = await startFakeMaster();
  events = [];
  reasons = [];
  warnings = [];
  notPermitted = 0;
  connection = new SubscriberConnection({
    address: { host: '127.0.0.1', port: fake.peer.port },
    redis: redisOptions(`redis://127.0.0.1:${fake.peer.port}`, {
      // The timeout is long, because these tests are not about silence and no barrier may fail on a busy machine.
      commandTimeoutMs: 10_000,
      metrics: { ...noRedisMetrics, connectionLost: (_, reason) => reasons.push(reason) },
      log: { ...silentLogger, warn: (_, text) => void warnings.push(String(text)) },
    }),
    listener: {
      onMessage: () => undefined,
      onLive: (channel) => events.push(`${channel} live`),
      onLost: (channel) => events.push(`${channel} lost`),
      onProbe: (channel, reply) => events.push(`${channel} probe ${JSON.stringify(reply)}`),
    },
    onTrouble: () => undefined,
    onNotPermitted: () => {
      notPermitted += 1;
    },
  });
});

afterEach(async () => {
  connection.close();
  await waitFor('no open socket', () => fake.peer.open() === 0);
  await fake.peer.close();
});

async function startLive(...channels: readonly string[]): Promise<void> {
  for (const channel of channels) {
    connection.add(channel, () => ['HMGET', `seq:${channel}`, 'n']);
  }
  await waitFor('live', () => channels.every((channel) => connection.isLive(channel)));
  fake.subscriptions = channels.length;
  events.length = 0;
}

/** Returns the keys that were probed so far. */
function probed(): string[] {
  return fake.peer.commands.filter(({ words }) => words[0] === 'HMGET').map(({ words }) => words[1] ?? '');
}

test.each([
  ['ROLE reports a replica', 'ROLE', REPLICA, 'demoted'],
  ['a keyed read returns CLUSTERDOWN', 'HMGET', '-CLUSTERDOWN The cluster is down\r\n', 'cluster down'],
  ['a keyed read returns MOVED', 'HMGET', '-MOVED 1 10.0.0.1:7000\r\n', 'moved'],
  ['a keyed read is refused', 'HMGET', '-LOADING Redis is loading the dataset in memory\r\n', 'refused'],
])('loses all channels and subscribes none until the server recovers: %s', async (_what, name, raw, reason) => {
  await startLive('a', 'b');
  const right = fake.answers.get(name);
  fake.answers.set(name, raw);
  expect(await connection.barrier(soonMs())).toBe(false);
  expect(events.filter((event) => event.endsWith('lost'))).toEqual(['a lost', 'b lost']);
  expect(reasons).toEqual([reason]);
  const asked = fake.count('SSUBSCRIBE');
  await waitFor('two more attempts', () => reasons.length >= 3);
  expect(new Set(reasons)).toEqual(new Set([reason]));
  expect(fake.count('SSUBSCRIBE')).toBe(asked);
  // Repeated attempts write one log line.
  expect(warnings).toHaveLength(1);
  fake.answers.set(name, right);
  await waitFor('live again', () => connection.isLive('a') && connection.isLive('b'));
  expect(await connection.barrier(soonMs())).toBe(true);
});

test('uses INFO replication if ROLE is not permitted', async () => {
  fake.answers.set('ROLE', '-NOPERM this user has no permissions to run the role command\r\n');
  fake.answers.set('INFO', bulk('# Replication\r\nrole:master\r\n'));
  await startLive('a');
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(fake.count('ROLE')).toBe(1);
  fake.answers.set('INFO', bulk('# Replication\r\nrole:slave\r\n'));
  expect(await connection.barrier(soonMs())).toBe(false);
  expect(reasons).toEqual(['demoted']);
});

test('assumes a master, and logs it once, if the server reports its role in neither form', async () => {
  fake.answers.set('ROLE', "-ERR unknown command 'ROLE', with args beginning with: \r\n");
  fake.answers.set('INFO', '-NOPERM this user has no permissions to run the info command\r\n');
  await startLive('a');
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(await connection.barrier(soonMs())).toBe(true);
  expect([fake.count('ROLE'), fake.count('INFO')]).toEqual([1, 1]);
  expect(warnings.filter((text) => text.includes('role'))).toHaveLength(1);
});

test('queries a role again if it is temporarily unavailable', async () => {
  fake.answers.set('ROLE', '-BUSY Redis is busy running a script\r\n');
  await startLive('a');
  expect(await connection.barrier(soonMs())).toBe(true);
  fake.answers.set('ROLE', REPLICA);
  expect(await connection.barrier(soonMs())).toBe(false);
  fake.answers.set('ROLE', MASTER);
  await waitFor('live again', () => connection.isLive('a'));
});

test('skips the count, but runs the other checks, if the server does not know CLIENT', async () => {
  fake.answers.set('CLIENT', "-ERR unknown command 'CLIENT'\r\n");
  await startLive('a');
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(reasons).toEqual([]);
  expect(notPermitted).toBe(0);
});

describe('CLIENT INFO without permission', () => {
  const NO_PERMISSION = "-NOPERM this user has no permissions to run the 'client|info' command\r\n";

  test('subscribes nothing, over one connection, until it is permitted', async () => {
    fake.answers.set('CLIENT', NO_PERMISSION);
    connection.add('a');
    await waitFor('the report', () => notPermitted > 0);
    const reported = notPermitted;
    await connection.watchOver();
    expect(notPermitted).toBeGreaterThan(reported);
    expect(await connection.barrier(soonMs())).toBe(false);
    expect(fake.count('SSUBSCRIBE')).toBe(0);
    fake.answers.delete('CLIENT');
    await connection.watchOver();
    await waitFor('live', () => connection.isLive('a'));
    expect(fake.peer.accepted()).toBe(1);
    expect(reasons).toEqual([]);
  });

  test('fails barriers after the permission was revoked', async () => {
    await startLive('a');
    fake.answers.set('CLIENT', NO_PERMISSION);
    expect(await connection.barrier(soonMs())).toBe(false);
    expect(notPermitted).toBe(1);
    expect(reasons).toEqual([]);
  });
});

test('loses only the channel of a migrating slot on ASK', async () => {
  await startLive('a', 'b');
  fake.answers.set('HMGET', '-ASK 1 10.0.0.1:7000\r\n');
  expect(await connection.barrier(soonMs())).toBe(false);
  expect(events).toHaveLength(1);
  expect(reasons).toEqual([]);
  expect([connection.isLive('a'), connection.isLive('b')].filter((isLive) => isLive)).toHaveLength(1);
});

test('sends a keyed read with every barrier, even while all probes are in flight', async () => {
  await startLive('a');
  fake.answers.set('HMGET', undefined);
  const before = probed().length;
  const barriers = [connection.barrier(soonMs()), connection.barrier(soonMs())];
  await waitFor('two reads', () => probed().length === before + 2);
  expect(probed().slice(before)).toEqual(['seq:a', 'a']);
  connection.close();
  expect(await Promise.all(barriers)).toEqual([false, false]);
});

test('probes each channel within four periodic barriers, and one with every barrier of a caller', async () => {
  const channels = Array.from({ length: 1_000 }, (_, index) => `channel-${index}`);
  await startLive(...channels);
  const before = probed().length;
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(probed()).toHaveLength(before + 1);
  for (let round = 0; round < 4; round += 1) {
    expect(await connection.watchOver()).toBe(true);
  }
  const turns = probed().slice(before);
  expect(new Set(turns)).toEqual(new Set(channels.map((channel) => `seq:${channel}`)));
  // The four rounds probe each channel once, with 250 channels in each round.
  expect(turns).toHaveLength(1 + 1_000);
});

test('delivers the reply to a probe only while its subscription is live', async () => {
  await startLive('a');
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(events).toEqual(['a probe [null,null,null]']);
  for (const name of ['HMGET', 'ROLE', 'CLIENT', 'SUNSUBSCRIBE', 'SSUBSCRIBE']) {
    fake.answers.set(name, undefined);
  }
  const before = fake.count('CLIENT');
  const barrier = connection.barrier(soonMs());
  await waitFor('the questions', () => fake.count('CLIENT') > before);
  connection.remove('a');
  connection.add('a', () => ['HMGET', 'seq:a', 'n']);
  fake.lastOf('HMGET').answer('*1\r\n_\r\n');
  fake.lastOf('ROLE').answer(MASTER);
  fake.lastOf('CLIENT').answer(bulk('ssub=1'));
  expect(await barrier).toBe(true);
  expect(events.filter((event) => event.includes('probe'))).toHaveLength(1);
});
