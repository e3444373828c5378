/**
 * Tests random histories on Redis with a frozen clock. The histories cover 2,000 subjects with one to three limits of
 * any algorithm. The times that each call reports must be exact. The same call is denied one millisecond before
 * `retryAfterMs` and allowed at that time. Each limit becomes unused exactly at `resetAfterMs`. The test checks these
 * times with peeks, which consume no units.
 */
import { type LimitSpec, MAX_LIMIT, MAX_SLIDING_LOG_LIMIT, MAX_WINDOW_MS } from '../../src/config/policy-file.ts';
import { ALGORITHMS, type Algorithm } from '../../src/rate-limit/algorithms/algorithm.ts';
import type { StepOutcome } from '../../src/rate-limit/algorithms/step.ts';
import { type CompiledLimit, compileLimits } from '../../src/rate-limit/model.ts';
import type { TakeResult } from '../../src/rate-limit/store.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { seededRandom } from '../support/seeded-random.ts';

const HISTORIES = 2_000;
const CALLS = 8;
const HISTORIES_AT_ONCE = 50;
/** Time far in the server's future, so that no key of a history expires by the real clock. */
const START_MS = 3_000_000_000_000;
const MAX_DRAIN_MS = 2 ** 42;

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

interface Ask {
  readonly subject: string;
  readonly specs: readonly LimitSpec[];
  readonly nowMs: number;
  readonly cost: number;
  readonly maxDelayMs?: number | undefined;
}

async function ask({ subject, specs, nowMs, cost, maxDelayMs }: Ask, isPeek: boolean): Promise<TakeResult> {
  const { store } = frozenStore(redis, { nowMs: () => nowMs });
  const key = { scope: 's', policy: '', subject };
  return await store.take({ key, limits: compileLimits(specs), cost, maxDelayMs, isPeek }, soonMs(20_000));
}

test(`${HISTORIES} histories: retry and reset times are exact to the millisecond`, async () => {
  const seen = { allowed: 0, denied: 0, never: 0 };
  for (let first = 0; first < HISTORIES; first += HISTORIES_AT_ONCE) {
    const numbers = Array.from({ length: HISTORIES_AT_ONCE }, (_, index) => first + index);
    for (const counts of await Promise.all(numbers.map(playHistory))) {
      seen.allowed += counts.allowed;
      seen.denied += counts.denied;
      seen.never += counts.never;
    }
  }
  // The test is meaningful only if enough calls are allowed, enough are denied until a later time, and enough can never
  // be allowed.
  expect(Math.min(seen.allowed, seen.denied, seen.never * 20)).toBeGreaterThan(HISTORIES);
}, 180_000);

async function playHistory(history: number): Promise<{ allowed: number; denied: number; never: number }> {
  const random = seededRandom(20_261_129 + history);
  const specs = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) => drawSpec(`limit-${index}`, random));
  const subject = String(history);
  const counts = { allowed: 0, denied: 0, never: 0 };
  let nowMs = START_MS + Math.floor(random() * 1e9);
  for (let call = 0; call < CALLS; call += 1) {
    const longest = Math.max(...specs.map((spec) => spec.windowMs));
    nowMs += pick(random, [
      0,
      1,
      Math.floor(random() * 3),
      Math.floor((random() * longest) / pick(random, [1, 4, 100])),
    ]);
    const request = { subject, specs, nowMs, cost: drawCost(specs, random), maxDelayMs: drawMaxDelay(specs, random) };
    const where = { history, call, specs, request };
    const before = await ask(request, true);
    const decided = await ask(request, false);
    // A peek reports the same decision as the call itself.
    expect({ ...where, ...verdictOf(before) }).toEqual({ ...where, ...verdictOf(decided) });
    counts.allowed += decided.allowed ? 1 : 0;
    counts.denied += decided.allowed ? 0 : 1;
    counts.never += decided.outcomes.some((outcome) => outcome.never) ? 1 : 0;
    await expectExactRetry(request, decided, where);
    for (const [index, spec] of specs.entries()) {
      await expectExactReset({ ...request, specs: [spec] }, decided.outcomes[index] as StepOutcome, where);
    }
  }
  return counts;
}

function verdictOf({ allowed, outcomes }: TakeResult): object {
  return { allowed, waits: outcomes.map(({ never, retryAfterMs, delayMs }) => ({ never, retryAfterMs, delayMs })) };
}

async function expectExactRetry(request: Ask, decided: TakeResult, where: object): Promise<void> {
  if (decided.allowed || decided.outcomes.some((outcome) => outcome.never)) {
    return;
  }
  const retryAfterMs = Math.max(...decided.outcomes.map((outcome) => outcome.retryAfterMs));
  const [early, inTime] = await Promise.all([
    ask({ ...request, nowMs: request.nowMs + retryAfterMs - 1 }, true),
    ask({ ...request, nowMs: request.nowMs + retryAfterMs }, true),
  ]);
  expect({ ...where, early: early.allowed, inTime: inTime.allowed }).toEqual({ ...where, early: false, inTime: true });
}

/**
 * Expects that the only limit of `request` becomes unused exactly at its reset time. From then on, a peek with the
 * whole capacity as cost is allowed. One millisecond earlier, such a peek is denied.
 */
async function expectExactReset(request: Ask, outcome: StepOutcome, where: object): Promise<void> {
  const { capacity } = compileLimits(request.specs).limits[0] as CompiledLimit;
  expect(outcome.remaining).toBeLessThanOrEqual(capacity);
  const full = { subject: request.subject, specs: request.specs, cost: capacity };
  const atMs = request.nowMs + outcome.resetAfterMs;
  const inTime = await ask({ ...full, nowMs: atMs }, true);
  expect({ ...where, ...inTime, remaining: inTime.outcomes[0]?.remaining }).toMatchObject({
    allowed: true,
    remaining: capacity,
  });
  if (outcome.resetAfterMs > 0) {
    expect({ ...where, ...(await ask({ ...full, nowMs: atMs - 1 }, true)) }).toMatchObject({ allowed: false });
  } else {
    expect({ ...where, remaining: outcome.remaining }).toEqual({ ...where, remaining: capacity });
  }
}

function drawSpec(name: string, random: () => number): LimitSpec {
  const algorithm = ALGORITHMS[Math.floor(random() * ALGORITHMS.length)] as Algorithm;
  const maxLimit = algorithm.name === 'sliding_window_log' ? MAX_SLIDING_LOG_LIMIT : MAX_LIMIT;
  const windowMs = pick(random, [1, 7, 1_000, 60_000, 86_400_000, MAX_WINDOW_MS]);
  const limit = Math.min(maxLimit, pick(random, [1, 2, 5, 100, 9_999, MAX_LIMIT]));
  const largest = Math.max(1, Math.floor((MAX_DRAIN_MS / windowMs) * limit));
  const burst = algorithm.isBucket ? Math.min(pick(random, [1, 5, 100, 65_537, MAX_LIMIT]), largest) : limit;
  return { name, algorithm: algorithm.name, limit, windowMs, burst };
}

function drawCost(specs: readonly LimitSpec[], random: () => number): number {
  const { smallestCapacity } = compileLimits(specs);
  const kind = random();
  if (kind < 0.3) {
    return 1;
  }
  return kind < 0.95 ? Math.ceil((random() * smallestCapacity) / pick(random, [1, 2, 10])) : smallestCapacity + 1;
}

function drawMaxDelay(specs: readonly LimitSpec[], random: () => number): number | undefined {
  return random() < 0.3 ? Math.floor((random() * (specs[0]?.windowMs ?? 0)) / 4) : undefined;
}

function pick(random: () => number, values: readonly number[]): number {
  return values[Math.floor(random() * values.length)] ?? 1;
}
