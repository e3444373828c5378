/**
 * Tests that one connection verifies the role of the server before reads, limits large replies, and repeats reads after
 * a lost connection.
 */

import { redisOptions, soonMs } from '../../test/support/redis/client.ts';
import {
  type FakeRedisPeer,
  type FakeRedisPeerOptions,
  startFakeRedisPeer,
} from '../../test/support/redis/fake-redis-peer.ts';
import { noRedisMetrics } from '../../test/support/redis/no-metrics.ts';
import { waitFor } from '../../test/support/wait.ts';
import { systemClock } from '../lib/clock.ts';
import { StoreError } from '../lib/store-error.ts';
import { RedisConnection } from './connection.ts';
import type { LostConnection } from './lost-connection.ts';
import type { RedisOptions } from './options.ts';
import type { SendOptions } from './pending-command.ts';
import { ReplicaError } from './refused-server.ts';

let peer: FakeRedisPeer;
let connection: RedisConnection;
let isVouching: boolean;
let changes: boolean[];
let losses: string[];
/** Failures that `recover` received. */
let failures: LostConnection[];

async function recover(failure: unknown): Promise<string> {
  failures.push(failure as LostConnection);
  return 'repeated';
}

async function start(peerOptions: FakeRedisPeerOptions, options: Partial<RedisOptions>): Promise<void> {
  peer = await startFakeRedisPeer(peerOptions);
  changes = [];
  losses = [];
  failures = [];
  connection = new RedisConnection({
    address: { host: '127.0.0.1', port: peer.port },
    redis: redisOptions(`redis://127.0.0.1:${peer.port}`, {
      metrics: { ...noRedisMetrics, connectionLost: (_node, reason) => losses.push(reason) },
      ...options,
    }),
    isVouching: () => isVouching,
    onReady: () => changes.push(true),
    onLost: () => changes.push(false),
  });
}

async function startReady(peerOptions: FakeRedisPeerOptions = {}, options: Partial<RedisOptions> = {}): Promise<void> {
  await start(peerOptions, options);
  await waitFor('a connection', () => connection.isReady);
}

beforeEach(() => {
  isVouching = false;
});

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

function get(): Promise<unknown> {
  return outcomeOf(connection.send(['GET', 'k'], soonMs()));
}

async function arrived(count: number): Promise<void> {
  await waitFor('the commands', () => peer.commands.length === count);
}

describe('the role of a standalone server', () => {
  const MASTER = '*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n';
  const REPLICA = '*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$7\r\nconnect\r\n:0\r\n';
  const NO_PERMISSION = '-NOPERM this user has no permissions to run this command\r\n';

  function words(): string[] {
    return peer.commands.map((command) => command.words.join(' '));
  }

  function read(): Promise<unknown> {
    return outcomeOf(connection.send(['GET', 'k'], soonMs(), { isRead: true }));
  }

  test('that the guard verified while connecting is valid for half a second', async () => {
    isVouching = true;
    const verify = async () => systemClock.monotonicMs();
    await startReady(
      { onCommand: (command) => command.answer(command.words[0] === 'GET' ? '$1\r\n1\r\n' : MASTER) },
      { guard: { verify, opened: () => () => undefined } },
    );
    expect(await read()).toEqual(Buffer.from('1'));
    expect(words()).toEqual(['GET k']);
    await waitFor('more than half a second', hasPassed(550));
    expect(await read()).toEqual(Buffer.from('1'));
    expect(words().slice(1)).toEqual(['ROLE', 'GET k']);
  });

  test('that the guard rejects prevents the use of the connection until the guard accepts it', async () => {
    isVouching = true;
    let isReplica = true;
    const verify = async () => {
      if (isReplica) {
        throw new ReplicaError();
      }
      return undefined;
    };
    await start(
      { onCommand: (command) => command.answer(MASTER) },
      { guard: { verify, opened: () => () => undefined } },
    );
    await waitFor('several attempts', () => peer.accepted() >= 2);
    expect(await get()).toBe('unavailable');
    isReplica = false;
    await waitFor('a connection', () => {
      connection.reconnectNow();
      return connection.isReady;
    });
    expect(changes).toEqual([true]);
  });

  test('is queried before a read if the last answer is half a second old, and a replica is dropped before its reply counts', async () => {
    isVouching = true;
    await startReady({
      onCommand: (command) => {
        // The replies to the role query and to the read arrive together.
        if (command.words[0] === 'GET') {
          command.answer(peer.commands.length <= 3 ? '$3\r\nnew\r\n' : `${REPLICA}$3\r\nold\r\n`);
        } else if (peer.commands.length === 1) {
          command.answer(MASTER);
        }
      },
    });
    expect(await read()).toEqual(Buffer.from('new'));
    expect(await get()).toEqual(Buffer.from('new'));
    await waitFor('more than half a second', hasPassed(550));
    const answers = await Promise.all([
      connection.send(['GET', 'k'], soonMs(), { isRead: true, recover }),
      outcomeOf(connection.send(['SET', 'k', 'v'], soonMs())),
    ]);
    expect(answers).toEqual(['repeated', 'unknown']);
    expect(failures.map(({ reason }) => reason)).toEqual(['demoted']);
    expect(losses).toEqual(['demoted']);
    expect(words().slice(0, 5)).toEqual(['ROLE', 'GET k', 'GET k', 'ROLE', 'GET k']);
  });

  // With a long command timeout or a slow link, the server may become a replica between the role query and the read.
  test.each([
    ['a master', MASTER, 'late', []],
    ['a replica', REPLICA, 'repeated', ['demoted']],
  ])(
    'of %s is queried again if the reply to a read is late, and the reply is held until then',
    async (_what, role, outcome, reasons) => {
      isVouching = true;
      await startReady({}, { commandTimeoutMs: 5_000 });
      let isSettled = false;
      const reading = connection.send(['GET', 'k'], soonMs(), { isRead: true, recover }).then((reply) => {
        isSettled = true;
        return String(reply);
      });
      await arrived(2);
      peer.commands[0]?.answer(MASTER);
      await waitFor('a second', hasPassed(1_000));
      peer.commands[1]?.answer('$4\r\nlate\r\n');
      await arrived(3);
      expect(words()).toEqual(['ROLE', 'GET k', 'ROLE']);
      expect(isSettled).toBe(false);
      peer.commands[2]?.answer(role);
      expect(await reading).toBe(outcome);
      expect(losses).toEqual(reasons);
      expect(connection.inFlight).toBe(0);
    },
  );

  test('is read from INFO from the first read on if ROLE is not permitted', async () => {
    isVouching = true;
    await startReady({
      onCommand: (command) => {
        const [name] = command.words;
        command.answer(name === 'INFO' ? '$11\r\nrole:slave\n\r\n' : name === 'ROLE' ? NO_PERMISSION : '$1\r\n1\r\n');
      },
    });
    expect(await connection.send(['GET', 'k'], soonMs(), { isRead: true, recover })).toBe('repeated');
    expect(words()).toEqual(['ROLE', 'GET k', 'INFO replication']);
    expect(losses).toEqual(['demoted']);
  });

  test('is assumed to be master, without further queries, if ROLE and INFO are not permitted', async () => {
    isVouching = true;
    await startReady({
      onCommand: (command) => command.answer(command.words[0] === 'GET' ? '$1\r\n1\r\n' : NO_PERMISSION),
    });
    expect(await read()).toEqual(Buffer.from('1'));
    expect(await read()).toEqual(Buffer.from('1'));
    expect(words()).toEqual(['ROLE', 'GET k', 'INFO replication', 'GET k']);
  });

  test('of a busy server is queried until it is reported, and held reads are repeated', async () => {
    isVouching = true;
    await startReady({
      onCommand: (command) => command.answer(command.words[0] === 'GET' ? '$1\r\n1\r\n' : '-BUSY Redis is busy\r\n'),
    });
    expect(await connection.send(['GET', 'k'], soonMs(), { isRead: true, recover })).toBe('repeated');
    expect(failures.map(({ reason }) => reason)).toEqual(['role unknown']);
    expect(losses).toEqual([]);
  });
});

describe('large replies', () => {
  const MIB = 1_048_576;

  function large(deadlineAtMs = soonMs(), recover?: SendOptions['recover']): Promise<unknown> {
    const options = { expectedReplyBytes: 10 * MIB, isRead: true, ...(recover === undefined ? {} : { recover }) };
    return outcomeOf(connection.send(['GET', 'large'], deadlineAtMs, options));
  }

  test('that exceed the budget together are requested one after the other, and other commands overtake them', async () => {
    await startReady();
    const [first, second] = [large(), large()];
    const small = get();
    await arrived(2);
    expect(peer.commands.map(({ words }) => words[1])).toEqual(['large', 'k']);
    peer.commands[0]?.answer('$1\r\n1\r\n');
    peer.commands[1]?.answer('$1\r\nk\r\n');
    expect([await first, await small]).toEqual([Buffer.from('1'), Buffer.from('k')]);
    await arrived(3);
    peer.commands[2]?.answer('$1\r\n2\r\n');
    expect(await second).toEqual(Buffer.from('2'));
  });

  test('that are queued are sent behind ASKING to the importing node', async () => {
    await startReady();
    const first = large();
    const options = { expectedReplyBytes: 10 * MIB, isRead: true, isAsking: true };
    const second = outcomeOf(connection.send(['GET', 'moving'], soonMs(), options));
    await arrived(1);
    peer.commands[0]?.answer('$1\r\n1\r\n');
    await first;
    await arrived(3);
    expect(peer.commands.slice(1).map(({ words }) => words.join(' '))).toEqual(['ASKING', 'GET moving']);
    peer.commands[1]?.answer('+OK\r\n');
    peer.commands[2]?.answer('$1\r\n2\r\n');
    expect(await second).toEqual(Buffer.from('2'));
  });

  test('that are queued end unsent at their deadline, and continue elsewhere after the loss of the connection', async () => {
    await startReady();
    const first = large();
    expect(await large(soonMs(30))).toBe('deadline');
    const recovered: LostConnection[] = [];
    const waiting = large(soonMs(), async (failure) => {
      recovered.push(failure as LostConnection);
      return 'elsewhere';
    });
    await arrived(1);
    peer.commands[0]?.hangUp();
    expect([await first, await waiting]).toEqual(['unknown', 'elsewhere']);
    expect(recovered.map(({ wasSent }) => wasSent)).toEqual([false]);
  });
});

describe('the loss of a connection', () => {
  test('repeats reads and commands that were certainly not written', async () => {
    await startReady();
    const written = [
      connection.send(['GET', 'a'], soonMs(), { isRead: true, recover }),
      outcomeOf(connection.send(['SET', 'a', '1'], soonMs(), { recover })),
    ];
    await arrived(2);
    const unwritten = connection.send(['SET', 'a', '2'], soonMs(), { recover });
    connection.drop('test');
    expect(await Promise.all([...written, unwritten])).toEqual(['repeated', 'unknown', 'repeated']);
    expect(failures.map(({ wasSent }) => wasSent)).toEqual([true, false]);
    await waitFor('a new connection', () => connection.isReady);
    expect(peer.commands.map(({ words }) => words.join(' '))).toEqual(['GET a', 'SET a 1']);
  });
});

function hasPassed(durationMs: number): () => boolean {
  const untilMs = performance.now() + durationMs;
  return () => performance.now() >= untilMs;
}
