/**
 * TypeScript and Lua agree to the last integer: 20,000 random steps per algorithm, each decided by the pure step and by
 * the production script on a real Redis, whose one line that reads the server's time is replaced by a time of the test.
 *
 * The histories change limits under way, jump forward, and go back by less and by more than a window.
 */
import { LIMIT_MAX, SLIDING_LOG_LIMIT_MAX, WINDOW_MS_MAX } from '../../src/config/policy-file.ts';
import { ALGORITHMS, type Algorithm, type AlgorithmState } from '../../src/rate-limit/algorithms/index.ts';
import type { StepLimit, StepOutcome } from '../../src/rate-limit/algorithms/step.ts';
import type { RedisReply } from '../../src/redis/commands.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, soonMs } from '../support/redis-client.ts';
import { type RedisNode, startRedis } from '../support/redis-server.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { takeAtScript } from '../support/take-at-script.ts';

const STEPS = 20_000;
const STEPS_PER_HISTORY = 250;
/** Far in the future of the server, so that no key of a history expires by the real clock. */
const START_MS = 3_000_000_000_000;
const DRAIN_MS_MAX = 2 ** 42;

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
    const random = seededRandom(20_261_124 + algorithm.number);
    for (let history = 0; history < STEPS / STEPS_PER_HISTORY; history += 1) {
      await compareHistory(algorithm, history, random);
    }
  },
  120_000,
);

interface Call {
  readonly limit: StepLimit;
  readonly nowMs: number;
  readonly cost: number;
  readonly maxDelayMs: number | undefined;
}

async function compareHistory(algorithm: Algorithm, history: number, random: () => number): Promise<void> {
  const key = `parity:{${algorithm.number}:${history}}`;
  const windowMs = pick(random, [1, 7, 1_000, 60_000, 86_400_000, WINDOW_MS_MAX - 1, WINDOW_MS_MAX]);
  const calls: Call[] = [];
  const expected: StepOutcome[] = [];
  const replies: Promise<RedisReply>[] = [];
  let state: AlgorithmState | undefined;
  let limit = drawLimit(algorithm, windowMs, random);
  let nowMs = START_MS + Math.floor(random() * 1e9);
  for (let index = 0; index < STEPS_PER_HISTORY; index += 1) {
    if (random() < 0.02) {
      limit = drawLimit(algorithm, windowMs, random);
    }
    nowMs += drawAdvance(algorithm, limit, random);
    const call: Call = {
      limit,
      nowMs,
      cost: drawCost(algorithm, limit, random),
      maxDelayMs: random() < 0.3 ? Math.floor(random() * 2 * windowMs) : undefined,
    };
    const step = algorithm.step(state, limit, nowMs, call.cost, call.maxDelayMs);
    if ((step.outcome.allowed && call.cost > 0) || step.repaired) {
      state = step.state;
    }
    calls.push(call);
    expected.push(step.outcome);
    replies.push(redis.run(takeAtScript, [key], argumentsOf(algorithm, call), soonMs(20_000)));
  }
  const answers = await Promise.all(replies);
  for (const [index, call] of calls.entries()) {
    expect({ history, index, call, outcome: outcomeOf(answers[index]) }).toEqual({
      history,
      index,
      call,
      outcome: expected[index],
    });
  }
}

function argumentsOf(algorithm: Algorithm, call: Call): string[] {
  const { limit, windowMs, burst } = call.limit;
  const field = `${algorithm.number}:${windowMs}:x`;
  const numbers = [limit, windowMs, burst].map(String);
  return [
    String(call.cost),
    String(call.maxDelayMs ?? -1),
    String(algorithm.number),
    field,
    ...numbers,
    String(call.nowMs),
  ];
}

function outcomeOf(reply: RedisReply | undefined): StepOutcome {
  const [found, allowed, remaining, retryAfterMs, resetAfterMs, delayMs, never] = reply as number[];
  expect(found).toBe(1);
  return {
    allowed: allowed === 1,
    remaining: remaining ?? -1,
    retryAfterMs: retryAfterMs ?? -1,
    resetAfterMs: resetAfterMs ?? -1,
    delayMs: delayMs ?? -1,
    never: never === 1,
  };
}

function drawLimit(algorithm: Algorithm, windowMs: number, random: () => number): StepLimit {
  const limitMax = algorithm.name === 'sliding_window_log' ? SLIDING_LOG_LIMIT_MAX : LIMIT_MAX;
  const limit = Math.min(limitMax, pick(random, [1, 3, 100, 997, 9_999, 2 ** 20 + 7, LIMIT_MAX - 1, LIMIT_MAX]));
  if (!algorithm.isBucket) {
    return { limit, windowMs, burst: limit };
  }
  const burst = pick(random, [1, 5, 100, 65_537, LIMIT_MAX]);
  return { limit, windowMs, burst: Math.max(1, Math.min(burst, Math.floor((DRAIN_MS_MAX / windowMs) * limit))) };
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
  if (kind < 0.1) {
    return 0;
  }
  if (kind < 0.6) {
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
