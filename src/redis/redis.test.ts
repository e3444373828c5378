/**
 * Tests the recovery of commands after error replies in every order, with simulated servers. Commands are repeated only
 * if a repetition is safe, no command is executed twice, and each command settles in time.
 */

import { openRedis, soonMs } from '../../test/support/redis/client.ts';
import {
  type FakeRedisPeer,
  type FakeRedisPeerOptions,
  type PeerCommand,
  startFakeRedisPeer,
} from '../../test/support/redis/fake-redis-peer.ts';
import { noRedisMetrics } from '../../test/support/redis/no-metrics.ts';
import { seededRandom } from '../../test/support/seeded-random.ts';
import { StoreError } from '../lib/store-error.ts';
import { defineScript } from './lua-script.ts';
import type { RedisOptions } from './options.ts';
import type { Redis } from './redis.ts';

const script = defineScript('one', 'return 1');
const DONE = ':1\r\n';
const TIMEOUT_MS = 2_000;

interface TestPeer extends FakeRedisPeer {
  /** Answers to scripts, in order. The last answer is used for all further scripts. */
  answers: string[];
  /** Number of scripts that were answered without an error. */
  executed: number;
  /** First words of all received commands: `EVALSHA`, `SCRIPT` (for SCRIPT LOAD) or `ASKING`. */
  readonly heard: string[];
}

let first: TestPeer;
let second: TestPeer;
let redis: Redis;
let errors: string[];
/** Reply to CLUSTER SLOTS that every peer sends. */
let slots: string;

beforeEach(async () => {
  errors = [];
  first = await startPeer();
  second = await startPeer();
  slots = slotsOf('127.0.0.1', first.port);
});

afterEach(async () => {
  redis.close();
  await Promise.all([first.close(), second.close()]);
});

async function startPeer(): Promise<TestPeer> {
  const onCommand: FakeRedisPeerOptions['onCommand'] = (command) => answer(peer, command);
  const peer: TestPeer = Object.assign(await startFakeRedisPeer({ onCommand }), {
    answers: [DONE],
    executed: 0,
    heard: [],
  });
  return peer;
}

function answer(peer: TestPeer, command: PeerCommand): void {
  const [name = ''] = command.words;
  if (name === 'CLUSTER') {
    command.answer(slots);
    return;
  }
  peer.heard.push(name);
  if (name === 'ASKING' || name === 'SCRIPT') {
    command.answer('+OK\r\n');
    return;
  }
  const text = (peer.answers.length > 1 ? peer.answers.shift() : peer.answers[0]) ?? DONE;
  peer.executed += text.startsWith('-') ? 0 : 1;
  command.answer(text);
}

async function open(seed = `redis://127.0.0.1:${first.port}`, changes: Partial<RedisOptions> = {}): Promise<void> {
  const metrics = { ...noRedisMetrics, commandError: (_node: string, code: string) => errors.push(code) };
  redis = await openRedis(seed, { commandTimeoutMs: TIMEOUT_MS, metrics, ...changes });
}

async function run(): Promise<unknown> {
  try {
    return await redis.run(script, ['k'], [], soonMs());
  } catch (error) {
    return error instanceof StoreError ? error.kind : error;
  }
}

test('follows a slot that migrates slowly to a server that lacks the script', async () => {
  const tryAgain = new Array<string>(8).fill('-TRYAGAIN\r\n');
  first.answers = [...tryAgain, `-MOVED 7629 127.0.0.1:${second.port}\r\n`];
  second.answers = ['-NOSCRIPT\r\n', DONE];
  await open();
  expect(await run()).toBe(1);
  expect(second.heard).toEqual(['EVALSHA', 'SCRIPT', 'EVALSHA']);
});

test('reports a command as not executed if the server forgets every script', async () => {
  first.answers = ['-NOSCRIPT\r\n'];
  await open();
  expect(await run()).toBe('unavailable');
});

test('gives up after five turns if two servers redirect to each other, and counts every redirect', async () => {
  first.answers = [`-MOVED 7629 127.0.0.1:${second.port}\r\n`];
  second.answers = [`-MOVED 7629 127.0.0.1:${first.port}\r\n`];
  await open();
  expect(await run()).toBe('unavailable');
  expect(first.heard.length + second.heard.length).toBe(6);
  expect(errors).toEqual(new Array(6).fill('MOVED'));
});

test('reports that MOVED leads to a node that refuses the login', async () => {
  const stranger = await startFakeRedisPeer({
    onHello: (hello) => hello.answer('-WRONGPASS invalid username-password pair\r\n'),
  });
  first.answers = [`-MOVED 7629 127.0.0.1:${stranger.port}\r\n`];
  await open();
  expect(await run()).toBe('forbidden');
  await stranger.close();
});

test('reads the topology if MOVED leads to a node without a host name', async () => {
  // Both nodes have the same host name, which resolves only to the first node.
  slots = slotsOf('?', first.port);
  first.answers = [`-MOVED 7629 ?:${second.port}\r\n`];
  await open(`redis://localhost:${first.port}`);
  slots = slotsOf('?', second.port);
  expect(await run()).toBe(1);
  expect(redis.describe().map(({ node }) => node)).toContain(`127.0.0.1:${second.port}`);
  expect(redis.describe().map(({ node }) => node)).not.toContain(`localhost:${second.port}`);
});

test('executes no call twice and ends every call through random error replies', async () => {
  await open();
  const random = seededRandom(20_261_125);
  for (let round = 0; round < 60; round += 1) {
    const refusals = [
      `-MOVED 7629 127.0.0.1:${first.port}\r\n`,
      `-MOVED 7629 127.0.0.1:${second.port}\r\n`,
      `-ASK 7629 127.0.0.1:${second.port}\r\n`,
      `-ASK 7629 127.0.0.1:${first.port}\r\n`,
      ...['TRYAGAIN', 'NOSCRIPT', 'READONLY', 'CLUSTERDOWN', 'LOADING', 'OOM', 'MASTERDOWN'].map(
        (code) => `-${code}\r\n`,
      ),
    ];
    const draw = (): string => refusals[Math.floor(random() * refusals.length)] as string;
    for (const peer of [first, second]) {
      peer.answers = [...Array.from({ length: Math.floor(random() * 4) }, draw), DONE];
      peer.executed = 0;
    }
    const outcome = await run();
    const executed = first.executed + second.executed;
    expect({ round, outcome, executed }).toEqual({ round, outcome, executed: outcome === 1 ? 1 : 0 });
    expect([1, 'unavailable']).toContain(outcome);
  }
});

/**
 * Returns a reply in which one master owns all slots. The metadata after the node id contains an IP address, which the
 * client uses if the host is `?`.
 */
function slotsOf(host: string, port: number): string {
  const more = '%1\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n';
  const node = `*4\r\n$${host.length}\r\n${host}\r\n:${port}\r\n$1\r\nx\r\n${more}`;
  return `*1\r\n*3\r\n:0\r\n:16383\r\n${node}`;
}
