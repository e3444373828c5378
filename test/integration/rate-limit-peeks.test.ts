/**
 * Tests that peeks are reads: they work while Redis rejects or pauses writes, and they write nothing. While Redis is
 * out of memory, callers can still return units and reset limits.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { compileLimits } from '../../src/rate-limit/model.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import type { TakeResult } from '../../src/rate-limit/store.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

const DAY_MS = 86_400_000;
const KEY = { scope: 's', policy: 'p', subject: 'x' };
const LIMITS = compileLimits(
  ALGORITHMS.map(({ name }): LimitSpec => ({ name, algorithm: name, limit: 10, windowMs: 400 * DAY_MS, burst: 10 })),
);
const REMAINING_AFTER_3 = ALGORITHMS.map(() => 7);

let server: RedisNode;
let redis: Redis;
let store: RedisRateLimitStore;

beforeEach(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
  store = new RedisRateLimitStore({ redis, keyspace: createKeyspace('test:') });
}, 60_000);

afterEach(async () => {
  redis?.close();
  await server?.stop();
});

async function take(cost: number): Promise<TakeResult> {
  return await store.take({ key: KEY, limits: LIMITS, cost, maxDelayMs: undefined }, soonMs());
}

async function remaining(): Promise<number[]> {
  return (await peek(0)).outcomes.map((outcome) => outcome.remaining);
}

async function peek(cost: number): Promise<TakeResult> {
  return await store.take({ key: KEY, limits: LIMITS, cost, maxDelayMs: undefined, isPeek: true }, soonMs());
}

test.each([
  ['too few replicas', ['CONFIG', 'SET', 'min-replicas-to-write', '1']],
  ['no memory left', ['CONFIG', 'SET', 'maxmemory', '1']],
])('answers a peek while Redis rejects writes: %s', async (_name, refuse) => {
  await take(3);
  await remaining();
  await server.command(...refuse);
  await expect(take(1)).rejects.toMatchObject({ kind: 'unavailable' });
  expect(await remaining()).toEqual(REMAINING_AFTER_3);
  expect([(await peek(7)).allowed, (await peek(8)).allowed]).toEqual([true, false]);
});

test('answers a peek while writes are paused', async () => {
  await take(3);
  await remaining();
  await server.command('CLIENT', 'PAUSE', '60000', 'WRITE');
  expect(await remaining()).toEqual(REMAINING_AFTER_3);
  await server.command('CLIENT', 'UNPAUSE');
});

test('a peek and a cost above the capacity write nothing', async () => {
  await take(3);
  async function changes(): Promise<string | undefined> {
    return /^rdb_changes_since_last_save:(\d+)/m.exec(String(await server.command('INFO', 'persistence')))?.[1];
  }
  const before = await changes();
  expect(await remaining()).toEqual(REMAINING_AFTER_3);
  expect((await peek(7)).allowed).toBe(true);
  expect((await peek(8)).allowed).toBe(false);
  expect((await take(11)).outcomes.map((outcome) => outcome.never)).toEqual(ALGORITHMS.map(() => true));
  await store.take({ key: { ...KEY, subject: 'unknown' }, limits: LIMITS, cost: 0, maxDelayMs: undefined }, soonMs());
  expect(await changes()).toBe(before);
});

test('returns units and resets limits while Redis is out of memory', async () => {
  await take(3);
  await server.command('CONFIG', 'SET', 'maxmemory', '1');
  const { outcomes } = await store.give({ key: KEY, limits: LIMITS, units: 2 }, soonMs());
  expect(outcomes.map((outcome) => outcome.remaining)).toEqual(ALGORITHMS.map(() => 9));
  expect(await store.reset(KEY, LIMITS, soonMs())).toBe(true);
  expect(await remaining()).toEqual(ALGORITHMS.map(() => 10));
});
