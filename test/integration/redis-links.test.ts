/**
 * Tests slow and half-open links: a connection stays open as long as bytes arrive, and each call has a separate time
 * limit.
 */
import { StoreError } from '../../src/lib/store-error.ts';
import { defineScript } from '../../src/redis/lua-script.ts';
import type { RedisOptions } from '../../src/redis/options.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { commandCalls } from '../support/redis/command-stats.ts';
import { type RedisLink, startRedisLink } from '../support/redis/link.ts';
import { noRedisMetrics } from '../support/redis/no-metrics.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

/** Default maximum size of a value. */
const LARGE_BYTES = 1_048_576;
/** Default deadline of a caller. */
const DEADLINE_MS = 1_000;
/** Deadline for tests in which a busy machine must not cause a failure. */
const LONG_DEADLINE_MS = 10_000;
/** Rate of 24 Mbit/s. */
const SLOW_BYTES_PER_SECOND = 3_000_000;
const COMMAND_TIMEOUT_MS = 250;
const CONNECTIONS = 4;

const write = defineScript('write', "redis.call('SET', KEYS[1], ARGV[1], 'PX', 600000) return 1");
const read = defineScript('read', "return redis.call('GET', KEYS[1])", 'read');

let node: RedisNode;
let link: RedisLink;
let redis: Redis;
let losses: { readonly reason: string; readonly atMs: number }[];

beforeEach(async () => {
  node = await startRedis();
  link = await startRedisLink(node.port);
  losses = [];
});

afterEach(async () => {
  redis?.close();
  await link.close();
  await node.stop();
});

async function open(options: Partial<RedisOptions> = {}): Promise<void> {
  const connectionLost = (_node: string, reason: string): void => {
    losses.push({ reason, atMs: performance.now() });
  };
  redis = await openRedis(link.url, { ...options, metrics: { ...noRedisMetrics, connectionLost } });
}

async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return error instanceof StoreError ? error.kind : `not a StoreError: ${String(error)}`;
  }
}

function get(key: string): Promise<string> {
  return outcomeOf(redis.run(read, [key], [], soonMs(DEADLINE_MS)));
}

test('reads and writes a value of the default maximum size over a slow link without losing the connection to small calls', async () => {
  const value = Buffer.alloc(LARGE_BYTES, 1);
  await open();
  expect(await get('small')).toBe('ok');
  link.bytesPerSecond = SLOW_BYTES_PER_SECOND;
  let isOver = false;
  const small = (async () => {
    const calls: { readonly outcome: string; readonly durationMs: number }[] = [];
    while (!isOver) {
      const beganAtMs = performance.now();
      calls.push({ outcome: await get('small'), durationMs: performance.now() - beganAtMs });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return calls;
  })();
  const large: string[] = [];
  const beganAtMs = performance.now();
  for (let turn = 0; turn < 3; turn += 1) {
    large.push(await outcomeOf(redis.run(write, ['large'], [value], soonMs(LONG_DEADLINE_MS))));
    large.push(await outcomeOf(redis.run(read, ['large'], [], soonMs(LONG_DEADLINE_MS))));
  }
  // On average, a large call takes longer than the command timeout, which proves that the link is as slow as intended.
  expect((performance.now() - beganAtMs) / large.length).toBeGreaterThan(COMMAND_TIMEOUT_MS);
  isOver = true;
  expect(new Set(large)).toEqual(new Set(['ok']));
  const failed = (await small).filter(({ outcome }) => outcome !== 'ok');
  expect(failed.filter(({ durationMs }) => durationMs < COMMAND_TIMEOUT_MS)).toEqual([]);
  // Repeats the calls with the default deadline. One success is enough, so that the test does not fail on a busy
  // machine.
  for (const command of [() => redis.run(write, ['large'], [value], soonMs(DEADLINE_MS)), () => get('large')]) {
    await waitFor('one within the default deadline', async () => {
      const outcome = await command();
      return outcome === 'ok' || outcome === 1;
    });
  }
  expect(losses).toEqual([]);
}, 60_000);

// Redis executes all commands that it has received before it sends a reply. The client therefore limits the reads in
// flight to 16 MiB of expected replies.
test('answers many concurrent large reads, a few at a time, without losing the connection', async () => {
  const value = Buffer.alloc(LARGE_BYTES, 1);
  await open(PATIENT);
  await redis.run(write, ['large'], [value], soonMs());
  link.bytesPerSecond = SLOW_BYTES_PER_SECOND;
  let answered = 0;
  const reads = Array.from({ length: 64 }, async () => {
    const reply = await redis.send('large', ['GET', 'large'], soonMs(30_000), { expectedReplyBytes: LARGE_BYTES });
    answered += 1;
    return (reply as Buffer).length;
  });
  const run = await waitFor('an answer', async () => {
    const count = await commandCalls(node, ['get']);
    return answered > 0 ? count : undefined;
  });
  expect(run).toBeLessThanOrEqual(answered + 16);
  link.bytesPerSecond = Number.POSITIVE_INFINITY;
  expect(new Set(await Promise.all(reads))).toEqual(new Set([LARGE_BYTES]));
  expect(losses).toEqual([]);
});

test('drops a half-open connection in time under a steady stream of writes', async () => {
  await open();
  expect(await outcomeOf(redis.run(write, ['a'], ['x'], soonMs()))).toBe('ok');
  const argument = 'x'.repeat(200);
  const stream = setInterval(() => {
    for (let index = 0; index < 10; index += 1) {
      void outcomeOf(redis.run(write, ['a'], [argument], soonMs(DEADLINE_MS)));
    }
  }, 5);
  await waitFor('calls answered', async () => (await commandCalls(node, ['evalsha'])) > 100);
  const cutAtMs = performance.now();
  link.discardExisting();
  await waitFor('the loss', () => losses.length > 0);
  clearInterval(stream);
  expect(losses[0]?.reason).toBe('silent');
  const tookMs = (losses[0]?.atMs ?? 0) - cutAtMs;
  // The client drops the connection after the command timeout, even though the test continues to write 400 KB/s after
  // the cut.
  expect(tookMs).toBeGreaterThan(COMMAND_TIMEOUT_MS - 20);
  await waitFor('service', async () => (await get('a')) === 'ok');
});

test('ends the last failure of several half-open connections no later than with one', async () => {
  await open({ connectionsPerMaster: CONNECTIONS });
  await waitFor(
    'all connections',
    async () =>
      link.accepted() >= CONNECTIONS &&
      String(await node.command('CLIENT', 'LIST')).split('name=pannier').length - 1 >= CONNECTIONS,
  );
  expect(await get('a')).toBe('ok');
  link.discardExisting();
  const calls: string[] = [];
  await waitFor('20 consecutive calls that succeed', async () => {
    calls.push(await outcomeOf(redis.run(write, ['a'], ['x'], soonMs(DEADLINE_MS))));
    return calls.length >= 20 && calls.slice(-20).every((outcome) => outcome === 'ok');
  });
  // The calls are sequential. If the client detected each silent connection separately, one call per connection would
  // fail.
  expect(calls.filter((outcome) => outcome === 'unknown').length).toBeLessThanOrEqual(2);
  expect(losses.length).toBeGreaterThanOrEqual(CONNECTIONS);
  expect(new Set(losses.map(({ reason }) => reason))).toEqual(new Set(['silent']));
});

test('keeps a connection that answers if another connection to its node is silent', async () => {
  await open({ connectionsPerMaster: 2 });
  await waitFor(
    'both connections',
    async () => String(await node.command('CLIENT', 'LIST')).split('name=pannier').length - 1 >= 2,
  );
  // The blocking command delays replies on only one of the two connections.
  const blocked = outcomeOf(redis.send('list', ['BLPOP', 'list', '2'], soonMs()));
  const outcomes: string[] = [];
  await waitFor('the loss of the one', async () => {
    outcomes.push(await get('a'));
    return losses.length > 0;
  });
  expect(await blocked).toBe('unknown');
  await waitFor('service', async () => (await get('a')) === 'ok');
  expect(losses.map(({ reason }) => reason)).toEqual(['silent']);
});
