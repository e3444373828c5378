/**
 * Tests that TypeScript and Lua compute identical integers for 20,000 random steps per algorithm, which consume units,
 * return units or peek. Both the pure functions and the production scripts on a real Redis compute each step. In the
 * scripts, the test replaces the lines that read the server's time, so that the test controls the time.
 *
 * Between the steps, the test changes limits. It also moves the clock forward or back, sometimes by more than a window.
 */
import { type LimitSpec, MAX_LIMIT, MAX_SLIDING_LOG_LIMIT, MAX_WINDOW_MS } from '../../src/config/policy-file.ts';
import { ALGORITHMS, type Algorithm, type AlgorithmState } from '../../src/rate-limit/algorithms/algorithm.ts';
import type { Step, StepLimit } from '../../src/rate-limit/algorithms/step.ts';
import { type CompiledLimits, compileLimits } from '../../src/rate-limit/model.ts';
import type { SubjectKey, TakeRequest } from '../../src/rate-limit/store.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { seededRandom } from '../support/seeded-random.ts';

const STEPS = 20_000;
const STEPS_PER_HISTORY = 250;
const HISTORIES = STEPS / STEPS_PER_HISTORY;
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

test.each(ALGORITHMS.map((algorithm) => [algorithm.name, algorithm] as const))(
  '%s: TypeScript and Lua agree',
  async (_name, algorithm) => {
    const histories = Array.from({ length: HISTORIES }, (_, history) => compareHistory(algorithm, history));
    const runs = new Map<string, number>();
    for (const ofHistory of await Promise.all(histories)) {
      for (const [script, count] of ofHistory) {
        runs.set(script, (runs.get(script) ?? 0) + count);
      }
    }
    const lean = `rate-limit-take-${algorithm.name.replaceAll('_', '-')}`;
    const scripts = ['rate-limit-take', 'rate-limit-peek', 'rate-limit-give'];
    // Every script that can evaluate a limit of this algorithm must have run.
    for (const script of algorithm.fromNumbers === undefined ? scripts : [lean, ...scripts]) {
      expect({ script, isCompared: (runs.get(script) ?? 0) > STEPS / 50 }).toEqual({ script, isCompared: true });
    }
  },
  120_000,
);

type Kind = 'take' | 'give' | 'peek';

interface Call {
  readonly kind: Kind;
  readonly limit: StepLimit;
  readonly nowMs: number;
  readonly units: number;
  readonly maxDelayMs: number | undefined;
}

/**
 * Compares the outcome of every call in one history between TypeScript and the scripts. The calls of different
 * histories run concurrently.
 */
async function compareHistory(algorithm: Algorithm, history: number): Promise<ReadonlyMap<string, number>> {
  const random = seededRandom(20_261_124 + algorithm.number * 1_000 + history);
  const windowMs = pick(random, [1, 7, 1_000, 60_000, 86_400_000, MAX_WINDOW_MS - 1, MAX_WINDOW_MS]);
  const key = { scope: 'parity', policy: algorithm.name, subject: String(history) };
  const clock = { time: START_MS + Math.floor(random() * 1e9), nowMs: () => clock.time };
  const { store, runs } = frozenStore(redis, clock);
  let state: AlgorithmState | undefined;
  let limit = drawLimit(algorithm, windowMs, random);
  for (let index = 0; index < STEPS_PER_HISTORY; index += 1) {
    if (random() < 0.02) {
      limit = drawLimit(algorithm, windowMs, random);
    }
    clock.time += drawAdvance(algorithm, limit, random);
    const call = drawCall(algorithm, limit, clock.time, random);
    const spec: LimitSpec = { name: 'x', algorithm: algorithm.name, ...limit };
    const limits = compileLimits([spec]);
    const step = stepOf(algorithm, state, call);
    state = stateAfter(algorithm, state, call, step);
    const { outcomes } =
      call.kind === 'give'
        ? await store.give({ key, limits, units: call.units }, soonMs(20_000))
        : await store.take(requestOf(call, key, limits), soonMs(20_000));
    expect({ history, index, call, outcome: outcomes[0] }).toEqual({ history, index, call, outcome: step.outcome });
  }
  return runs;
}

function stepOf(algorithm: Algorithm, state: AlgorithmState | undefined, call: Call): Step<AlgorithmState> {
  const { limit, nowMs, units, maxDelayMs } = call;
  if (call.kind === 'give' && state !== undefined) {
    return algorithm.give(state, limit, nowMs, units);
  }
  if (call.kind === 'give') {
    return algorithm.remaining(state, limit, nowMs);
  }
  const step = algorithm.take(state, limit, nowMs, Math.max(1, units), maxDelayMs);
  // An allowed peek reports the state before its cost is subtracted.
  return call.kind === 'peek' && step.outcome.allowed ? algorithm.take(state, limit, nowMs, 0, maxDelayMs) : step;
}

function requestOf({ kind, units, maxDelayMs }: Call, key: SubjectKey, limits: CompiledLimits): TakeRequest {
  return { key, limits, cost: units, maxDelayMs, isPeek: kind === 'peek' && units > 0 };
}

/** Returns the state after a call. Peeks, and calls with a cost above the capacity, do not change the state. */
function stateAfter(
  algorithm: Algorithm,
  state: AlgorithmState | undefined,
  call: Call,
  step: Step<AlgorithmState>,
): AlgorithmState | undefined {
  if (call.kind === 'give') {
    return state === undefined ? undefined : step.state;
  }
  const isWriting = call.kind === 'take' && !step.outcome.never && (step.outcome.allowed || step.repaired);
  if (!isWriting) {
    return state;
  }
  return step.outcome.allowed ? step.state : algorithm.remaining(state, call.limit, call.nowMs).state;
}

function drawCall(algorithm: Algorithm, limit: StepLimit, nowMs: number, random: () => number): Call {
  const kind = pick(random, [0, 0, 0, 0, 0, 0, 0, 1, 2, 2]);
  if (kind === 1) {
    return {
      kind: 'give',
      limit,
      nowMs,
      units: Math.max(1, drawCost(algorithm, limit, random)),
      maxDelayMs: undefined,
    };
  }
  const maxDelayMs = random() < 0.3 ? Math.floor(random() * 2 * limit.windowMs) : undefined;
  if (kind === 2) {
    return { kind: 'peek', limit, nowMs, units: random() < 0.3 ? 0 : drawCost(algorithm, limit, random), maxDelayMs };
  }
  return { kind: 'take', limit, nowMs, units: Math.max(1, drawCost(algorithm, limit, random)), maxDelayMs };
}

function drawLimit(algorithm: Algorithm, windowMs: number, random: () => number): StepLimit {
  const maxLimit = algorithm.name === 'sliding_window_log' ? MAX_SLIDING_LOG_LIMIT : MAX_LIMIT;
  const limit = Math.min(maxLimit, pick(random, [1, 3, 100, 997, 9_999, 2 ** 20 + 7, MAX_LIMIT - 1, MAX_LIMIT]));
  if (!algorithm.isBucket) {
    return { limit, windowMs, burst: limit };
  }
  const burst = pick(random, [1, 5, 100, 65_537, MAX_LIMIT]);
  return { limit, windowMs, burst: Math.max(1, Math.min(burst, Math.floor((MAX_DRAIN_MS / windowMs) * limit))) };
}

function drawAdvance(algorithm: Algorithm, limit: StepLimit, random: () => number): number {
  const kind = random();
  if (kind < 0.3) {
    return 0;
  }
  if (kind < 0.6) {
    return Math.floor(random() * 5);
  }
  if (kind < 0.9) {
    const share = algorithm.name === 'sliding_window_log' ? 100 : 4;
    return Math.floor((random() * limit.windowMs) / share);
  }
  if (kind < 0.94) {
    return Math.floor(random() * 3 * limit.windowMs);
  }
  return -Math.floor(random() * (kind < 0.98 ? 1.2 : 3) * limit.windowMs);
}

function drawCost(algorithm: Algorithm, limit: StepLimit, random: () => number): number {
  const capacity = algorithm.isBucket ? limit.burst : limit.limit;
  const kind = random();
  if (kind < 0.55) {
    return 1;
  }
  if (kind < 0.97) {
    return Math.ceil((random() * capacity) / pick(random, [1, 4, 50]));
  }
  return capacity + Math.floor(random() * 3);
}

function pick(random: () => number, values: readonly number[]): number {
  return values[Math.floor(random() * values.length)] ?? 1;
}
