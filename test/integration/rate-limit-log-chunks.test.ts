/**
 * Tests the chunks of a sliding window log in a hash that also contains other fields of the subject. Calls remove
 * expired fields and keep unexpired ones.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { slidingWindowLog } from '../../src/rate-limit/algorithms/sliding-window-log.ts';
import type { StepOutcome } from '../../src/rate-limit/algorithms/step.ts';
import { compileLimits } from '../../src/rate-limit/model.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { commandCalls } from '../support/redis/command-stats.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

const START_MS = 3_000_000_000_000;
const WINDOW_MS = 1_000;
const LOG: LimitSpec = {
  name: 'log',
  algorithm: 'sliding_window_log',
  limit: 10_000,
  windowMs: WINDOW_MS,
  burst: 10_000,
};

const COPY_FIELD = "redis.call('HSET', KEYS[1], ARGV[2], redis.call('HGET', KEYS[1], ARGV[1]))";

let server: RedisNode;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, { commandTimeoutMs: 10_000 });
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

test('keeps a log whose first chunk has expired complete while fields are removed for a new limit', async () => {
  const subject = '1';
  await fillLog(subject, 200);
  await Promise.all(Array.from({ length: 520 }, (_, index) => take(subject, window(index), START_MS + 300, 1)));
  const laterMs = START_MS + 1_150;
  expect(await take(subject, window(1_000), laterMs, 1)).toMatchObject({ allowed: true, remaining: 9 });
  // The entries from START to START + 150 have expired.
  expect(await take(subject, LOG, laterMs, 1)).toMatchObject({ allowed: true, remaining: 10_000 - 49 - 1 });
});

test('removes expired logs with their chunks when new limits are added, and keeps live ones', async () => {
  const subject = '2';
  const laterMs = START_MS + 100_000_000;
  await fillLog(subject, 200);
  await takeAll(subject, { from: 0, count: 700, atMs: START_MS + 300 });
  const live = 500;
  await takeAll(subject, { from: 1_000, count: live, atMs: laterMs });
  const left = await fieldsOf(subject);
  expect(left.filter((field) => /:w1\d\d\d$/.test(field))).toHaveLength(live);
  // Before the calls at `laterMs`, the hash contained 704 fields, all of which had expired by then. If a hash contains
  // fewer than 512 fields, calls do not scan it for expired fields.
  expect(left.length).toBeLessThanOrEqual(512 + 100);
  await takeAll(subject, { from: 2_000, count: 300, atMs: laterMs + 100_000_000 });
  await takeAll(subject, { from: 3_000, count: 500, atMs: laterMs + 100_000_001 });
  expect((await fieldsOf(subject)).filter((field) => field.startsWith('2:'))).toEqual([]);
});

test('removes chunks that no log refers to, and keeps those of a live log', async () => {
  const subject = '3';
  await fillLog(subject, 200);
  const [head] = (await fieldsOf(subject)).filter((field) => !field.includes('#'));
  const key = keyOf(subject);
  await server.command('EVAL', COPY_FIELD, '1', key, `${head}#0`, `${head}#90`);
  await server.command('EVAL', COPY_FIELD, '1', key, `${head}#0`, '2:1:gone#0');
  await takeAll(subject, { from: 0, count: 520, atMs: START_MS + 300 });
  await takeAll(subject, { from: 1_000, count: 800, atMs: START_MS + 1_150 });
  const chunks = (await fieldsOf(subject)).filter((field) => field.includes('#'));
  expect(chunks.sort()).toEqual([`${head}#0`, `${head}#1`, `${head}#2`]);
});

test.each([
  { name: 'entries of one unit', costOf: () => 1 },
  { name: 'entries of one and of two units', costOf: (index: number) => 1 + (index % 3 === 0 ? 1 : 0) },
  { name: 'large entries first', costOf: (index: number) => (index < 40 ? 9 : 1) },
  { name: 'large entries last', costOf: (index: number) => (index > 500 ? 7 : 1) },
])('a denial reports the time at which its cost fits, whatever the cost: $name', async ({ name, costOf }) => {
  const window = { ...LOG, windowMs: 100_000 };
  let state: Parameters<typeof slidingWindowLog.take>[0];
  let used = 0;
  for (let index = 0; index < 600; index += 1) {
    used += costOf(index);
    await take(name, window, START_MS + index * 7, costOf(index));
    state = slidingWindowLog.take(state, window, START_MS + index * 7, costOf(index), undefined).state;
  }
  const full = { ...window, limit: used };
  // At each of these times, the old entries have expired, including some entries of a chunk.
  for (const nowMs of [START_MS + 5_000, START_MS + 100_000 + 7 * 100]) {
    for (let cost = 1; cost <= used; cost += 13) {
      const { outcome } = slidingWindowLog.take(state, full, nowMs, cost, undefined);
      if (!outcome.allowed) {
        expect(await take(name, full, nowMs, cost)).toEqual(outcome);
      }
    }
  }
});

test('a denial reads no more of a full log than an admission does, whatever its cost', async () => {
  const subject = 'reads';
  const full = { ...LOG, windowMs: 10_000, limit: 2_000 };
  await Promise.all(Array.from({ length: 2_000 }, (_, index) => take(subject, full, START_MS + index, 1)));
  const reads: number[] = [];
  for (const cost of [1, 500, 1_000, 2_000]) {
    await server.command('CONFIG', 'RESETSTAT');
    expect(await take(subject, full, START_MS + 2_000, cost)).toMatchObject({ allowed: false });
    reads.push(await commandCalls(server, ['hget', 'hmget']));
  }
  // A call reads the value of the log and at most one chunk.
  expect(Math.max(...reads)).toBeLessThanOrEqual(2);
});

async function fillLog(subject: string, entries: number): Promise<void> {
  await Promise.all(Array.from({ length: entries }, (_, index) => take(subject, LOG, START_MS + index, 1)));
}

async function takeAll(subject: string, { from, count, atMs }: { from: number; count: number; atMs: number }) {
  for (let index = 0; index < count; index += 1) {
    await take(subject, window(from + index), atMs + index, 1);
  }
}

function keyOf(subject: string): string {
  return `test:rl:{s||${subject}}`;
}

async function fieldsOf(subject: string): Promise<string[]> {
  return (await server.command('HKEYS', keyOf(subject))) as string[];
}

/** Returns a fixed window of an hour. */
function window(index: number): LimitSpec {
  return { name: `w${index}`, algorithm: 'fixed_window', limit: 10, windowMs: 3_600_000, burst: 10 };
}

async function take(subject: string, limit: LimitSpec, nowMs: number, cost: number): Promise<StepOutcome | undefined> {
  const { store } = frozenStore(redis, { nowMs: () => nowMs });
  const key = { scope: 's', policy: '', subject };
  const request = { key, limits: compileLimits([limit]), cost, maxDelayMs: undefined };
  return (await store.take(request, soonMs(20_000))).outcomes[0];
}
