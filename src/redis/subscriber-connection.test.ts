/**
 * The subscriptions of one master against a peer that takes them away, refuses them, or says nothing.
 */
import { type FakeRedisPeer, type PeerCommand, startFakeRedisPeer } from '../../test/support/fake-redis-peer.ts';
import { redisOptions, soonMs } from '../../test/support/redis-client.ts';
import { waitFor } from '../../test/support/wait.ts';
import { SubscriberConnection } from './subscriber-connection.ts';

const TIMEOUT_MS = 200;

let peer: FakeRedisPeer;
let connection: SubscriberConnection;
let events: string[];
let troubles: number;
/** What CLIENT INFO says; undefined: it is not answered. */
let subscriptions: number | undefined;
let isRefusing: boolean;

function push(kind: string, channel: string, last: string): string {
  return `>3\r\n$${kind.length}\r\n${kind}\r\n$${channel.length}\r\n${channel}\r\n${last}\r\n`;
}

function answer(command: PeerCommand): void {
  const [name = '', channel = ''] = command.words;
  if (name === 'CLIENT' && subscriptions !== undefined) {
    const text = `id=1 name=pannier sub=0 psub=0 ssub=${subscriptions} multi=-1`;
    command.answer(`$${text.length}\r\n${text}\r\n`);
  } else if (name === 'SSUBSCRIBE') {
    command.answer(isRefusing ? '-MOVED 1 10.0.0.1:7000\r\n' : push('ssubscribe', channel, ':1'));
  } else if (name === 'SUNSUBSCRIBE') {
    command.answer(push('sunsubscribe', channel, ':0'));
  }
}

beforeEach(async () => {
  peer = await startFakeRedisPeer({ onCommand: answer });
  events = [];
  troubles = 0;
  subscriptions = 1;
  isRefusing = false;
  connection = new SubscriberConnection({
    address: { host: '127.0.0.1', port: peer.port },
    redis: redisOptions(`redis://127.0.0.1:${peer.port}`, { commandTimeoutMs: TIMEOUT_MS }),
    listener: {
      onMessage: (channel, message) => events.push(`${channel}=${message}`),
      onLive: (channel) => events.push(`${channel} live`),
      onLost: (channel) => events.push(`${channel} lost`),
    },
    onTrouble: () => {
      troubles += 1;
    },
  });
});

afterEach(async () => {
  connection.close();
  await waitFor('no socket of ours', () => peer.open() === 0);
  await peer.close();
});

async function startLive(channel = 'a'): Promise<void> {
  connection.add(channel);
  await waitFor('live', () => connection.isLive(channel));
}

function lastOf(name: string): PeerCommand {
  return peer.commands.findLast(({ words }) => words[0] === name) as PeerCommand;
}

test('nothing is opened before a channel is wanted', async () => {
  expect(await connection.barrier(soonMs(50))).toBe(true);
  expect(peer.accepted()).toBe(0);
});

test('messages that came before the answer to a barrier are handed over before it is true', async () => {
  await startLive();
  subscriptions = undefined;
  const barrier = connection.barrier(soonMs());
  await waitFor('the question', () => peer.commands.some(({ words }) => words[0] === 'CLIENT'));
  const messages = ['one', 'two'].map((text) => push('smessage', 'a', `$3\r\n${text}`)).join('');
  const info = 'ssub=1';
  lastOf('CLIENT').answer(`${messages}$${info.length}\r\n${info}\r\n`);
  expect(await barrier).toBe(true);
  expect(events).toEqual(['a live', 'a=one', 'a=two']);
});

test('a subscription that the server dropped without a word: the barrier is false, the channel lost and live again', async () => {
  await startLive();
  subscriptions = 0;
  expect(await connection.barrier(soonMs())).toBe(false);
  expect(events).toEqual(['a live', 'a lost']);
  subscriptions = 1;
  await waitFor('live again', () => connection.isLive('a'));
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(troubles).toBeGreaterThan(0);
  expect(peer.accepted()).toBe(2);
});

test('a peer that says nothing any more is given up after the timeout of commands', async () => {
  await startLive();
  subscriptions = undefined;
  expect(await connection.barrier(soonMs(TIMEOUT_MS / 4))).toBe(false);
  await waitFor('the loss', () => events.includes('a lost'));
  subscriptions = 1;
  await waitFor('live again', () => connection.isLive('a'));
});

test('a refused subscription is trouble, and the channel is no longer this node’s', async () => {
  isRefusing = true;
  connection.add('a');
  await waitFor('trouble', () => troubles > 0);
  expect(connection.has('a')).toBe(false);
  expect(events).toEqual([]);
});

test('a channel that the server takes away is lost at once', async () => {
  await startLive();
  lastOf('SSUBSCRIBE').answer(push('sunsubscribe', 'a', ':0'));
  await waitFor('the loss', () => events.includes('a lost'));
  expect(troubles).toBeGreaterThan(0);
});

test('what is removed hears nothing more, even if it was on its way', async () => {
  await startLive();
  const { answer: say } = lastOf('SSUBSCRIBE');
  connection.remove('a');
  say(push('smessage', 'a', '$4\r\nlate'));
  await waitFor('SUNSUBSCRIBE', () => peer.commands.some(({ words }) => words[0] === 'SUNSUBSCRIBE'));
  expect(await connection.barrier(soonMs())).toBe(true);
  expect(events).toEqual(['a live']);
});
