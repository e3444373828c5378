/**
 * Tests one connection against a simulated server that answers late, in parts, with invalid data, or not at all.
 */

import { redisOptions, soonMs } from '../../test/support/redis/client.ts';
import {
  type FakeRedisPeer,
  type FakeRedisPeerOptions,
  startFakeRedisPeer,
} from '../../test/support/redis/fake-redis-peer.ts';
import { noRedisMetrics } from '../../test/support/redis/no-metrics.ts';
import { waitFor } from '../../test/support/wait.ts';
import { StoreError } from '../lib/store-error.ts';
import { RedisConnection } from './connection.ts';
import type { RedisOptions } from './options.ts';
import { ServerReply } from './server-reply.ts';

const TIMEOUT_MS = 200;

let peer: FakeRedisPeer;
let connection: RedisConnection;
let changes: boolean[];
let losses: string[];

async function start(peerOptions: FakeRedisPeerOptions = {}, overrides: Partial<RedisOptions> = {}): Promise<void> {
  peer = await startFakeRedisPeer(peerOptions);
  changes = [];
  losses = [];
  connection = new RedisConnection({
    address: { host: '127.0.0.1', port: peer.port },
    redis: redisOptions(`redis://127.0.0.1:${peer.port}`, {
      commandTimeoutMs: TIMEOUT_MS,
      connectTimeoutMs: TIMEOUT_MS,
      metrics: { ...noRedisMetrics, connectionLost: (_node, reason) => losses.push(reason) },
      ...overrides,
    }),
    isVouching: () => false,
    onReady: () => changes.push(true),
    onLost: () => changes.push(false),
  });
}

async function startReady(peerOptions: FakeRedisPeerOptions = {}): Promise<void> {
  await start(peerOptions);
  await waitFor('a connection', () => connection.isReady);
}

afterEach(async () => {
  connection.close();
  await waitFor('no open socket', () => peer.open() === 0);
  await peer.close();
});

/** Returns the reply, or the `kind` of the StoreError. */
async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error instanceof StoreError ? error.kind : error;
  }
}

function get(deadlineAtMs = soonMs()): Promise<unknown> {
  return outcomeOf(connection.send(['GET', 'k'], deadlineAtMs));
}

async function arrived(count: number): Promise<void> {
  await waitFor('the commands', () => peer.commands.length === count);
}

describe('connecting', () => {
  test('retries one socket at a time if the peer never answers HELLO', async () => {
    await start({ onHello: () => undefined });
    await waitFor('several attempts', () => peer.accepted() >= 3);
    expect(connection.isReady).toBe(false);
    expect(peer.open()).toBeLessThanOrEqual(2);
    expect(await get()).toBe('unavailable');
    expect(changes).toEqual([]);
  });

  test('does not become ready by a HELLO reply after the timeout', async () => {
    await start({ onHello: (hello) => void setTimeout(() => hello.answer('%0\r\n'), 2 * TIMEOUT_MS) });
    await waitFor('several attempts', () => peer.accepted() >= 3);
    expect(changes).toEqual([]);
  });

  test('rejects with forbidden until the refused password is accepted', async () => {
    let isRefusing = true;
    await start({
      onHello: (hello) => hello.answer(isRefusing ? '-WRONGPASS invalid username-password pair\r\n' : '%0\r\n'),
      onCommand: (command) => command.answer('$1\r\nv\r\n'),
    });
    await waitFor('the refusal', () => connection.refusal !== undefined);
    expect(await get()).toBe('forbidden');
    isRefusing = false;
    await waitFor('a connection', () => connection.isReady);
    expect(connection.refusal).toBeUndefined();
    expect(await get()).toEqual(Buffer.from('v'));
  });

  test('keeps retrying if the credentials cannot be read or never arrive', async () => {
    let asked = 0;
    const never = new Promise<never>(() => undefined);
    const credentials = () => {
      asked += 1;
      return asked === 1 ? never : asked === 2 ? Promise.reject(new Error('no such file')) : none();
    };
    const none = async () => ({ username: undefined, password: undefined });
    await start({}, { credentials });
    await waitFor('a connection', () => connection.isReady);
    expect(asked).toBe(3);
  });

  test('backs off if the peer closes every connection after the login', async () => {
    const beganAtMs = performance.now();
    await start({
      onHello: (hello) => {
        hello.answer('%0\r\n');
        setImmediate(() => hello.hangUp());
      },
    });
    await waitFor('several attempts', () => peer.accepted() >= 6);
    // The delays between the attempts (connect-pacer.ts) add up to at least half of 100 + 200 + 400 + 800 + 1,600 ms.
    expect(performance.now() - beganAtMs).toBeGreaterThan(1_540);
  });
});

describe('answers', () => {
  test('with an error reject the command unchanged, and the connection stays', async () => {
    await startReady({ onCommand: (command) => command.answer('-MOVED 12 10.0.0.1:7000\r\n') });
    const error = await get();
    expect(error).toBeInstanceOf(ServerReply);
    expect(error).toMatchObject({ code: 'MOVED', message: 'MOVED 12 10.0.0.1:7000' });
    expect(connection.isReady).toBe(true);
  });

  test('in parts, several at once, belong to their commands in order', async () => {
    await startReady();
    const outcomes = Promise.all([get(), get(), get()]);
    await arrived(3);
    peer.commands[0]?.answer('$5\r\nfir');
    await get(soonMs(20));
    peer.commands[0]?.answer('st\r\n$6\r\nsecond\r\n_\r\n');
    expect(await outcomes).toEqual([Buffer.from('first'), Buffer.from('second'), null]);
  });

  test('after a deadline are dropped and not given to the next command', async () => {
    await startReady();
    expect(await get(soonMs(30))).toBe('unknown');
    const next = get();
    await arrived(2);
    peer.commands[0]?.answer('$3\r\nold\r\n');
    peer.commands[1]?.answer('$3\r\nnew\r\n');
    expect(await next).toEqual(Buffer.from('new'));
    expect(losses).toEqual([]);
  });

  test('that are not RESP end the connection, and commands in flight are unknown', async () => {
    await startReady();
    const outcome = get();
    await arrived(1);
    peer.commands[0]?.answer('HTTP/1.1 400 Bad Request\r\n\r\n');
    expect(await outcome).toBe('unknown');
    await waitFor('another connection', () => peer.accepted() >= 2 && connection.isReady);
    expect(losses).toEqual(['unreadable']);
  });
});

describe('silence', () => {
  test('with commands in flight drops the connection; they are unknown, and later ones use a new connection', async () => {
    await startReady();
    const beganAtMs = performance.now();
    const outcomes = await Promise.all([get(), get(), get()]);
    expect(outcomes).toEqual(['unknown', 'unknown', 'unknown']);
    expect(performance.now() - beganAtMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 1);
    await waitFor('the loss', () => losses.length > 0);
    expect(losses).toEqual(['silent']);
    await waitFor('a new connection', () => connection.isReady);
    expect(changes).toEqual([true, false, true]);
    expect(connection.inFlight).toBe(0);
    const later = get();
    await arrived(4);
    peer.commands[3]?.answer('$1\r\nv\r\n');
    expect(await later).toEqual(Buffer.from('v'));
  });

  test('without commands in flight drops nothing', async () => {
    await startReady({ onCommand: (command) => command.answer('_\r\n') });
    await get();
    await waitFor('three timeouts', hasPassed(3 * TIMEOUT_MS));
    expect(losses).toEqual([]);
    expect(await get()).toBeNull();
    expect(peer.accepted()).toBe(1);
  });

  test('of one command, while others are answered, keeps the connection', async () => {
    await startReady();
    const isOver = hasPassed(2 * TIMEOUT_MS);
    const slow = get();
    let answered = 0;
    while (!isOver()) {
      // Replies arrive in order, so the reply to each command is late, but the interval between two replies is short.
      const fast = get();
      await waitFor('the command', () => peer.commands.length === answered + 2);
      await waitFor('a while', hasPassed(TIMEOUT_MS / 4));
      peer.commands[answered]?.answer('_\r\n');
      answered += 1;
      await Promise.race([fast, slow]);
    }
    expect(losses).toEqual([]);
    expect(peer.accepted()).toBe(1);
  });

  test('caused by a blocked event loop of this process drops nothing', async () => {
    await startReady({
      onCommand: (command) => {
        command.answer('$1\r\nv\r\n');
        const isOver = hasPassed(peer.commands.length === 2 ? 3 * TIMEOUT_MS : 0);
        while (!isOver()) {
          // Blocks the event loop on purpose, while the replies wait in the socket.
        }
      },
    });
    expect(await Promise.all([get(), get()])).toEqual([Buffer.from('v'), Buffer.from('v')]);
    expect(losses).toEqual([]);
  });
});

describe('the end of a connection', () => {
  test('with commands in flight makes them unknown, and a command without a connection is not sent', async () => {
    await startReady();
    const outcome = get();
    await arrived(1);
    peer.commands[0]?.hangUp();
    expect(await outcome).toBe('unknown');
    await waitFor('a new connection', () => connection.isReady);
    expect(peer.commands).toHaveLength(1);
    expect(losses).toEqual(['hung up']);
  });

  test('by close settles commands in flight, and nothing is retried', async () => {
    await startReady();
    const outcome = get();
    await arrived(1);
    connection.close();
    expect(await outcome).toBe('unknown');
    await waitFor('no socket', () => peer.open() === 0);
    expect(await get()).toBe('unavailable');
    await waitFor('longer than any wait between attempts', hasPassed(400));
    expect(peer.accepted()).toBe(1);
  });

  test('by retire lets commands in flight complete, and rejects new ones', async () => {
    await startReady();
    const outcome = get();
    await arrived(1);
    connection.retire();
    expect(await get()).toBe('unavailable');
    peer.commands[0]?.answer('$1\r\nv\r\n');
    expect(await outcome).toEqual(Buffer.from('v'));
    await waitFor('no socket', () => peer.open() === 0);
  });
});

describe('bounds', () => {
  test('sends nothing after the deadline, and a near deadline ends the command but not the connection', async () => {
    await startReady();
    expect(await get(soonMs(-1))).toBe('deadline');
    expect(peer.commands).toHaveLength(0);
    const outcome = get(soonMs(30));
    expect(await outcome).toBe('unknown');
    expect(connection.isReady).toBe(true);
    peer.commands[0]?.answer('_\r\n');
  });

  test('sends ASKING directly before its command', async () => {
    await startReady({ onCommand: (command) => command.answer('+OK\r\n') });
    await Promise.all([get(), connection.send(['GET', 'b'], soonMs(), { isAsking: true }), get()]);
    expect(peer.commands.map(({ words }) => words.join(' '))).toEqual(['GET k', 'ASKING', 'GET b', 'GET k']);
  });
});

function hasPassed(durationMs: number): () => boolean {
  const untilMs = performance.now() + durationMs;
  return () => performance.now() >= untilMs;
}
