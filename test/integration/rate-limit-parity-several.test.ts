/**
 * Tests several limits of one subject in one call. The memory store and the scripts must return the same outcome for
 * every limit of every call, while the test adds, removes and changes limits. Some limits deny calls that others allow.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { MemoryRateLimitStore } from '../../src/rate-limit/memory-store.ts';
import { compileLimits } from '../../src/rate-limit/model.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { FakeClock } from '../support/lib/fake-clock.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { seededRandom } from '../support/seeded-random.ts';

const HISTORIES = 200;
const STEPS = 100;
const LIMITS = 6;

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

test('memory and Redis agree', async () => {
  const random = seededRandom(20_261_126);
  const below = (bound: number): number => Math.floor(random() * bound);
  let mixed = 0;
  const allRuns = new Map<string, number>();
  for (let history = 0; history < HISTORIES; history += 1) {
    // Time far in the server's future, so that no key expires by the real clock.
    const clock = new FakeClock();
    clock.advance(3_000_000_000_000 + below(1e9));
    const memory = new MemoryRateLimitStore({ clock, maxEntries: 10, maxBytes: 1e8 });
    const { store, runs } = frozenStore(redis, clock);
    const specs = Array.from({ length: LIMITS }, (_, index) => drawSpec(index, below));
    for (let step = 0; step < STEPS; step += 1) {
      clock.advance(below(random() < 0.1 ? 3_000 : 30));
      const changed = below(LIMITS * 20);
      if (changed < LIMITS) {
        specs[changed] = changeNumbers(specs[changed] as LimitSpec, below);
      }
      const limits = compileLimits(specs.filter((_, index) => index === step % LIMITS || random() < 0.5));
      const key = { scope: 's', policy: '', subject: String(history) };
      if (random() < 0.1) {
        const give = { key, limits, units: 1 + below(10) };
        const returned = await store.give(give, soonMs(20_000));
        expect({ history, step, returned }).toEqual({ history, step, returned: memory.give(give) });
        continue;
      }
      const maxDelayMs = random() < 0.3 ? below(1_000) : undefined;
      const isPeek = random() < 0.1;
      const request = { key, limits, cost: below(random() < 0.3 ? 16 : 4), maxDelayMs, isPeek };
      const expected = memory.take(request);
      const result = await store.take(request, soonMs(20_000));
      expect({ history, step, result }).toEqual({ history, step, result: expected });
      mixed += new Set(expected.outcomes.map((one) => one.allowed)).size - 1;
    }
    for (const [script, count] of runs) {
      allRuns.set(script, (allRuns.get(script) ?? 0) + count);
    }
  }
  // The test is meaningful only if calls are both allowed and denied, and if every script runs.
  expect(mixed).toBeGreaterThan(HISTORIES);
  for (const script of ['rate-limit-take-several', 'rate-limit-take', 'rate-limit-peek', 'rate-limit-give']) {
    expect({ script, isCompared: (allRuns.get(script) ?? 0) > HISTORIES }).toEqual({ script, isCompared: true });
  }
}, 120_000);

function drawSpec(index: number, below: (bound: number) => number): LimitSpec {
  const algorithm = ALGORITHMS[below(ALGORITHMS.length)]?.name ?? 'fixed_window';
  const windowMs = [7, 100, 1_000, 5_000][below(4)] ?? 7;
  return changeNumbers({ name: `n${index}`, algorithm, windowMs, limit: 1, burst: 1 }, below);
}

/**
 * Changes the capacity of a limit, but does not lower the rate of a bucket. At a lower rate, the memory store might
 * reuse an old value that Redis has already deleted.
 */
function changeNumbers(spec: LimitSpec, below: (bound: number) => number): LimitSpec {
  const isBucket = spec.algorithm === 'token_bucket' || spec.algorithm === 'leaky_bucket';
  const limit = isBucket ? Math.max(spec.limit, 5) : 1 + below(20);
  return { ...spec, limit, burst: isBucket ? 1 + below(30) : limit };
}
