/**
 * Tests clients that send calls exactly at the rate of their limit. The clients use the first example of the README and
 * other limits, with the memory store and on Redis with a frozen clock.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { MemoryRateLimitStore } from '../../src/rate-limit/memory-store.ts';
import { compileLimits } from '../../src/rate-limit/model.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { FakeClock } from '../support/lib/fake-clock.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { repositoryRoot } from '../support/repository.ts';

/** Time far in the server's future, so that no key expires by the real clock. */
const START_MS = 3_000_000_000_000;
const CALLS = 300;

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

interface Admitted {
  readonly memory: number;
  readonly redis: number;
}

async function admitted(
  subject: string,
  spec: LimitSpec,
  pace: { phaseMs: number; everyMs: number },
): Promise<Admitted> {
  const clock = new FakeClock();
  clock.advance(START_MS + pace.phaseMs);
  const memory = new MemoryRateLimitStore({ clock, maxEntries: 10, maxBytes: 1e6 });
  const { store } = frozenStore(redis, clock);
  const limits = compileLimits([spec]);
  const key = { scope: 's', policy: '', subject };
  const counts = { memory: 0, redis: 0 };
  for (let call = 0; call < CALLS; call += 1) {
    const request = { key, limits, cost: 1, maxDelayMs: undefined };
    counts.memory += memory.take(request).allowed ? 1 : 0;
    counts.redis += (await store.take(request, soonMs())).allowed ? 1 : 0;
    clock.advance(pace.everyMs);
  }
  return counts;
}

function limit(algorithm: LimitSpec['algorithm'], count: number, windowMs: number): LimitSpec {
  return { name: 'paced', algorithm, limit: count, windowMs, burst: count };
}

test('the first example of the README admits 300 of 300 calls sent at the rate of its limit', async () => {
  const readme = readFileSync(join(repositoryRoot, 'README.md'), 'utf8');
  const json = /CheckRateLimit '(\{.*\})'/.exec(readme)?.[1] ?? '';
  const example = JSON.parse(json).limits[0] as { algorithm: string; limit: number; windowMs: number };
  const algorithm = ALGORITHMS.find(({ name }) => `ALGORITHM_${name.toUpperCase()}` === example.algorithm);
  if (algorithm === undefined) {
    throw new Error(`the first example of the README must name an algorithm, got ${json}`);
  }
  const spec = limit(algorithm.name, example.limit, example.windowMs);
  const everyMs = example.windowMs / example.limit;
  for (const phaseMs of [0, 1, everyMs - 1, 7_777]) {
    expect(await admitted(`readme-${phaseMs}`, spec, { phaseMs, everyMs })).toEqual({ memory: CALLS, redis: CALLS });
  }
});

describe.each(ALGORITHMS.map(({ name }) => name))('%s', (name) => {
  test.each([
    [5, 60_000],
    [1, 10_000],
    [100, 60_000],
    [1, 1],
  ])('%d per %d ms admits every call sent at the rate of the limit', async (count, windowMs) => {
    const spec = limit(name, count, windowMs);
    const pace = { phaseMs: 4_321, everyMs: windowMs / count };
    expect(await admitted(`${name}-${count}-${windowMs}`, spec, pace)).toEqual({ memory: CALLS, redis: CALLS });
  });

  test('1 per 10 s admits every tenth of the calls sent every second', async () => {
    const spec = limit(name, 1, 10_000);
    expect(await admitted(`${name}-tenth`, spec, { phaseMs: 0, everyMs: 1_000 })).toEqual({ memory: 30, redis: 30 });
  });
});
