/**
 * The chunks of a sliding log and the room that other fields of the subject need: what ends is dropped, what counts stays.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import type { StepOutcome } from '../../src/rate-limit/algorithms/step.ts';
import { compileLimits } from '../../src/rate-limit/policy.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { frozenStore } from '../support/rate-limit-frozen-clock.ts';
import { openRedis, soonMs } from '../support/redis-client.ts';
import { type RedisNode, startRedis } from '../support/redis-server.ts';

const START_MS = 3_000_000_000_000;
const WINDOW_MS = 1_000;
const LOG: LimitSpec = {
  name: 'log',
  algorithm: 'sliding_window_log',
  limit: 10_000,
  windowMs: WINDOW_MS,
  burst: 10_000,
};

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

test('making room for a new limit leaves a log whole whose first chunk has ended', async () => {
  const subject = '1';
  await fillLog(subject, 200);
  await Promise.all(Array.from({ length: 520 }, (_, index) => take(subject, window(index), START_MS + 300, 1)));
  const laterMs = START_MS + 1_150;
  expect(await take(subject, window(1_000), laterMs, 1)).toMatchObject({ allowed: true, remaining: 9 });
  // Entries of START .. START + 150 have left.
  expect(await take(subject, LOG, laterMs, 1)).toMatchObject({ allowed: true, remaining: 10_000 - 49 - 1 });
});

test('what has ended is dropped with its chunks when room is needed', async () => {
  const subject = '2';
  await fillLog(subject, 200);
  await Promise.all(Array.from({ length: 520 }, (_, index) => take(subject, window(index), START_MS + 300, 1)));
  await take(subject, window(1_000), START_MS + 100_000_000, 1);
  expect((await server.command('HKEYS', `test:rl:{s||${subject}}`)) as string[]).toHaveLength(1);
});

async function fillLog(subject: string, entries: number): Promise<void> {
  await Promise.all(Array.from({ length: entries }, (_, index) => take(subject, LOG, START_MS + index, 1)));
}

/** A fixed window of an hour. */
function window(index: number): LimitSpec {
  return { name: `w${index}`, algorithm: 'fixed_window', limit: 10, windowMs: 3_600_000, burst: 10 };
}

async function take(subject: string, limit: LimitSpec, nowMs: number, cost: number): Promise<StepOutcome | undefined> {
  const { store } = frozenStore(redis, { nowMs: () => nowMs });
  const key = { scope: 's', policy: '', subject };
  const request = { key, limits: compileLimits([limit]), cost, maxDelayMs: undefined };
  return (await store.take(request, soonMs(20_000))).outcomes[0];
}
