/**
 * Tests ResetRateLimit on Redis. After a reset, the next check starts with no used units, whatever the algorithm is.
 * The reset also deletes the chunks of a log.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { compileLimits, fieldOf } from '../../src/rate-limit/model.ts';
import type { TakeResult } from '../../src/rate-limit/store.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

/** Time far in the server's future, so that no key expires by the real clock. */
const START_MS = 3_000_000_000_000;
const WINDOW_MS = 60_000;

let server: RedisNode;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

test.each(ALGORITHMS.map((algorithm) => [algorithm.name, algorithm] as const))(
  '%s: deletes a limit by its name, algorithm and window, and no other limit',
  async (name, algorithm) => {
    const key = { scope: 's', policy: '', subject: name };
    const spec: LimitSpec = { name: 'reset', algorithm: name, limit: 1_000, windowMs: WINDOW_MS, burst: 1_000 };
    const limits = compileLimits([spec]);
    const others = compileLimits([
      { ...spec, name: 'other' },
      { ...spec, windowMs: 2 * WINDOW_MS },
    ]);
    async function take(limitsTaken: typeof limits, cost: number, afterMs: number): Promise<TakeResult> {
      const { store } = frozenStore(redis, { nowMs: () => START_MS + afterMs });
      return await store.take({ key, limits: limitsTaken, cost, maxDelayMs: undefined }, soonMs());
    }
    // 200 entries of a log form three full chunks and a tail.
    for (let call = 0; call < 200; call += 1) {
      await take(limits, 1, call);
    }
    await take(others, 7, 200);
    const { store } = frozenStore(redis, { nowMs: () => START_MS });
    const identity = { limits: [{ field: fieldOf(algorithm, { name: 'reset', windowMs: WINDOW_MS }) }] };
    expect(await store.reset(key, identity, soonMs())).toBe(true);
    expect(await store.reset(key, identity, soonMs())).toBe(false);
    const fields = (await server.command('HKEYS', `test:rl:{s||${name}}`)) as string[];
    expect(fields.sort()).toEqual(others.limits.map((limit) => limit.field).sort());
    expect((await take(limits, 1, 300)).outcomes[0]).toMatchObject({ allowed: true, remaining: 999 });
    const untouched = await take(others, 0, 200);
    expect(untouched.outcomes.map(({ remaining }) => remaining)).toEqual([993, 993]);
    expect(await store.reset(key, undefined, soonMs())).toBe(true);
    expect((await take(others, 0, 200)).outcomes.map(({ remaining }) => remaining)).toEqual([1_000, 1_000]);
  },
);
