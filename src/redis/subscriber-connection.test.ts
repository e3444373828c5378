/**
 * Tests the subscriptions on one master against a simulated server that ends or refuses subscriptions, or stops
 * answering.
 */

import { redisOptions, soonMs } from '../../test/support/redis/client.ts';
import { bulk, type FakeMaster, push, startFakeMaster } from '../../test/support/redis/fake-redis-master.ts';
import { waitFor } from '../../test/support/wait.ts';
import { SubscriberConnection } from './subscriber-connection.ts';

const TIMEOUT_MS = 200;

let fake: FakeMaster;
let connection: SubscriberConnection;
let events: string[];
let troubles: number;

beforeEach(async () => {
  fake = await startFakeMaster();
  events = [];
  troubles = 0;
  connection = new SubscriberConnection({
    address: { host: '127.0.0.1', port: fake.peer.port },
    redis: redisOptions(`redis://127.0.0.1:${fake.peer.port}`, { commandTimeoutMs: TIMEOUT_MS }),
    listener: {
      onMessage: (channel, message) => events.push(`${channel}=${message}`),
      onLive: (channel) => events.push(`${channel} live`),
      onLost: (channel) => events.push(`${channel} lost`),
    },
    onTrouble: () => {
      troubles += 1;
    },
    onNotPermitted: () => undefined,
  });
});

afterEach(async () => {
  connection.close();
  await waitFor('no open socket', () => fake.peer.open() === 0);
  await fake.peer.close();
});

async function startLive(channel = 'a'): Promise<void> {
  connection.add(channel);
  await waitFor('live', () => connection.isLive(channel));
}

test('opens no connection before a channel is added', async () => {
  expect(await connection.barrier(soonMs(50))).toBe(true);
  expect(fake.peer.accepted()).toBe(0);
});

test('delivers messages received before the reply to a barrier before it resolves true', async () => {
  await startLive();
  const asked = fake.count('CLIENT');
  fake.answers.set('CLIENT', undefined);
  const barrier = connection.barrier(soonMs());
  await waitFor('the question', () => fake.count('CLIENT') > asked);
  const messages = ['one', 'two'].map((text) => push('smessage', 'a', bulk(text).trimEnd())).join('');
  fake.lastOf('CLIENT').answer(messages + bulk('ssub=1'));
  expect(await barrier).toBe(true);
  expect(events).toEqual(['a live', 'a=one', 'a=two']);
});

test('fails the barrier and subscribes again if the server silently dropped a subscription', async () => {
  await startLive();
  fake.subscriptions = 0;
  expect(await connection.barrier(soonMs())).toBe(false);
  expect(events).toEqual(['a live', 'a lost']);
  fake.subscriptions = 1;
  await waitFor('live again', () => connection.isLive('a'));
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(troubles).toBeGreaterThan(0);
  expect(fake.peer.accepted()).toBe(2);
});

test('drops the connection after the command timeout if the peer stops answering', async () => {
  await startLive();
  fake.answers.set('CLIENT', undefined);
  expect(await connection.barrier(soonMs(TIMEOUT_MS / 4))).toBe(false);
  await waitFor('the loss', () => events.includes('a lost'));
  fake.answers.delete('CLIENT');
  await waitFor('live again', () => connection.isLive('a'));
});

test('reports trouble and drops the channel if a subscription is refused', async () => {
  fake.answers.set('SSUBSCRIBE', '-MOVED 1 10.0.0.1:7000\r\n');
  connection.add('a');
  await waitFor('trouble', () => troubles > 0);
  expect(connection.has('a')).toBe(false);
  expect(events).toEqual([]);
});

test('loses a channel at once if the server ends its subscription', async () => {
  await startLive();
  fake.lastOf('SSUBSCRIBE').answer(push('sunsubscribe', 'a', ':0'));
  await waitFor('the loss', () => events.includes('a lost'));
  expect(troubles).toBeGreaterThan(0);
});

test('delivers no messages after a channel was removed', async () => {
  await startLive();
  const { answer: say } = fake.lastOf('SSUBSCRIBE');
  connection.remove('a');
  say(push('smessage', 'a', bulk('late').trimEnd()));
  await waitFor('SUNSUBSCRIBE', () => fake.count('SUNSUBSCRIBE') > 0);
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(events).toEqual(['a live']);
});

test('reconnects at once after a good connection, and backs off after repeated failures', async () => {
  await startLive();
  expect(await connection.barrier(soonMs())).toBe(true);
  fake.answers.set('CLIENT', undefined);
  fake.lastOf('SSUBSCRIBE').hangUp();
  const untilMs = performance.now() + 4_000;
  await waitFor('four seconds', () => performance.now() > untilMs);
  // The first attempt is immediate, and each attempt is abandoned after 200 ms. The delays between the attempts are at
  // least half of 100, 200, 400, 800, 1,600 and 3,200 ms.
  expect(fake.peer.accepted()).toBeGreaterThan(3);
  expect(fake.peer.accepted()).toBeLessThan(9);
  fake.answers.delete('CLIENT');
  await waitFor('live again', () => connection.isLive('a'));
});
