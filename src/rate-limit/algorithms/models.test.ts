/**
 * Compares each algorithm with an exact model. A model computes each decision from the list of all admissions, with
 * BigInt where the algorithm uses fractions.
 *
 * Every test history also checks the reported times. The algorithm must deny a denied call again one millisecond before
 * `retryAfterMs` has passed, and allow the call once this time has passed. A limit must be completely unused again
 * after `resetAfterMs`, but not one millisecond earlier.
 */
import fc from 'fast-check';
import { MAX_WINDOW_MS } from '../../config/policy-file.ts';
import { ALGORITHMS, type Algorithm, type AlgorithmState, algorithmNamed } from './algorithm.ts';
import type { StepLimit } from './step.ts';

interface Admission {
  readonly atMs: number;
  readonly units: number;
}

/** Computes from the admissions so far whether a call with this cost fits at this time. */
type Model = (admitted: readonly Admission[], limit: StepLimit, nowMs: number, cost: number) => boolean;

interface Move {
  /** Time since the previous call: a fraction of a window in millionths, plus whole milliseconds. */
  readonly millionths: number;
  readonly ms: number;
  /** Cost of the call: a fraction of the capacity in millionths, plus whole units. */
  readonly costMillionths: number;
  readonly costUnits: number;
}

const START_MS = 1_700_000_000_123;
const MILLION = 1_000_000;
const MAX_DRAIN_MS = 2 ** 42;

const MODELS: Readonly<Record<Algorithm['name'], Model>> = {
  fixed_window: (admitted, limit, nowMs, cost) => {
    const startMs = nowMs - (nowMs % limit.windowMs);
    return sumSince(admitted, startMs) + BigInt(cost) <= BigInt(limit.limit);
  },
  sliding_window_log: (admitted, limit, nowMs, cost) =>
    sumSince(admitted, nowMs - limit.windowMs + 1) + BigInt(cost) <= BigInt(limit.limit),
  sliding_window_counter: (admitted, limit, nowMs, cost) => {
    const windowMs = BigInt(limit.windowMs);
    const startMs = nowMs - (nowMs % limit.windowMs);
    const current = sumSince(admitted, startMs);
    const previous = sumSince(admitted, startMs - limit.windowMs) - current;
    const share = (previous * (windowMs - BigInt(nowMs - startMs) - 1n)) / windowMs;
    return share + current + BigInt(cost) <= BigInt(limit.limit);
  },
  token_bucket: fitsIntoBucket,
  leaky_bucket: fitsIntoBucket,
};

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({
    millionths: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50_000 }), fc.integer({ min: 0, max: 2 * MILLION })),
    ms: fc.integer({ min: 0, max: 3 }),
    costMillionths: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: MILLION })),
    costUnits: fc.integer({ min: 0, max: 2 }),
  }),
  { minLength: 1, maxLength: 60 },
);

const windows: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(1, 1_000, 3_600_000, MAX_WINDOW_MS - 1, MAX_WINDOW_MS),
  fc.integer({ min: 1, max: 100_000 }),
);

describe.each(ALGORITHMS.map((algorithm) => [algorithm.name, algorithm] as const))('%s', (name, algorithm) => {
  const maxLimit = name === 'sliding_window_log' ? 10_000 : 2 ** 36;
  const units = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: maxLimit }), fc.constant(maxLimit));

  test('decides as its model does and reports times exact to the millisecond', () => {
    fc.assert(
      fc.property(moves, windows, units, units, (history, windowMs, limit, anyBurst) => {
        const largest = Math.max(1, Math.min(2 ** 36, Math.floor((MAX_DRAIN_MS / windowMs) * limit)));
        const burst = algorithm.isBucket ? Math.min(anyBurst, largest) : limit;
        play(algorithm, { limit, windowMs, burst }, history);
      }),
      { numRuns: 300 },
    );
  });

  test('reports never and changes nothing if the cost exceeds the capacity', () => {
    const limit = { limit: 5, windowMs: 1_000, burst: 5 };
    const first = algorithm.take(undefined, limit, START_MS, 3, undefined);
    const second = algorithm.take(first.state, limit, START_MS, 6, undefined);
    expect(second.outcome).toMatchObject({ allowed: false, never: true, remaining: 2, retryAfterMs: 0, delayMs: 0 });
    expect(second.state).toEqual(first.state);
  });

  test('frees no units if the clock steps back within a window, and counts waits from that time', () => {
    const limit = { limit: 2, windowMs: 60_000, burst: 2 };
    const full = algorithm.take(undefined, limit, START_MS + 60_000, 2, undefined);
    const back = algorithm.take(full.state, limit, START_MS + 1_000, 1, undefined);
    expect(back.outcome.allowed).toBe(false);
    expect(back.repaired).toBe(false);
    expectRetryExact(algorithm, back.state, limit, { nowMs: START_MS + 1_000, cost: 1 }, back.outcome.retryAfterMs);
  });

  test('keeps the used units of a state from a broken clock and resets within two windows', () => {
    const limit = { limit: 2, windowMs: 60_000, burst: 2 };
    const full = algorithm.take(undefined, limit, START_MS + 1e10, 2, undefined);
    const back = algorithm.take(full.state, limit, START_MS, 2, undefined);
    expect(back.outcome.allowed).toBe(false);
    expect(back.repaired).toBe(true);
    expect(back.outcome.retryAfterMs).toBeLessThanOrEqual(120_000);
    const later = algorithm.take(back.state, limit, START_MS + back.outcome.retryAfterMs, 2, undefined);
    expect(later.outcome.allowed).toBe(true);
    expect(later.repaired).toBe(false);
  });

  test('reaches the state without the consumed units if they are returned at once', () => {
    const take = fc.record({ ms: fc.integer({ min: 0, max: 20 }), cost: fc.integer({ min: 1, max: 5 }) });
    const limit = { limit: 100, windowMs: 1_000, burst: 100 };
    fc.assert(
      fc.property(fc.array(take, { maxLength: 80 }), fc.integer({ min: 1, max: 10 }), (takes, units) => {
        let state: AlgorithmState | undefined;
        let nowMs = START_MS;
        for (const { ms, cost } of takes) {
          nowMs += ms;
          const step = algorithm.take(state, limit, nowMs, cost, undefined);
          state = step.outcome.allowed ? step.state : state;
        }
        const before = algorithm.remaining(state, limit, nowMs);
        const taken = algorithm.take(state, limit, nowMs, units, undefined);
        fc.pre(taken.outcome.allowed);
        const returned = algorithm.give(taken.state, limit, nowMs, units);
        expect(returned.outcome).toEqual(before.outcome);
        // The test returns more units than the calls have used. After that, the limit must be unused.
        const emptied = algorithm.give(taken.state, limit, nowMs, 1_000_000);
        expect(emptied.outcome).toMatchObject({ remaining: 100, resetAfterMs: 0 });
        expect(algorithm.take(emptied.state, limit, nowMs, 101, undefined).outcome.allowed).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('reports remaining units between 0 and the capacity while limit and burst change', () => {
    const change = fc.record({
      limit: fc.integer({ min: 1, max: 50 }),
      burst: fc.integer({ min: 1, max: 50 }),
      ms: fc.integer({ min: 0, max: 400 }),
      cost: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        let state: AlgorithmState | undefined;
        let nowMs = START_MS;
        for (const { limit, burst, ms, cost } of changes) {
          nowMs += ms;
          const numbers = { limit, windowMs: 1_000, burst: algorithm.isBucket ? burst : limit };
          const step = algorithm.take(state, numbers, nowMs, cost, undefined);
          state = step.state;
          expect(step.outcome.remaining).toBeGreaterThanOrEqual(0);
          expect(step.outcome.remaining).toBeLessThanOrEqual(algorithm.isBucket ? burst : limit);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('applies a lowered limit and a raised limit at once', () => {
    const wide = { limit: 10, windowMs: 60_000, burst: 10 };
    const used = algorithm.take(undefined, wide, START_MS, 6, undefined).state;
    const narrow = { limit: 4, windowMs: 60_000, burst: 4 };
    expect(algorithm.take(used, narrow, START_MS, 1, undefined).outcome).toMatchObject({
      allowed: false,
      remaining: 0,
    });
    const wider = { limit: 20, windowMs: 60_000, burst: 20 };
    expect(algorithm.take(used, wider, START_MS, 1, undefined).outcome).toMatchObject({ allowed: true, remaining: 13 });
  });
});

test('a leaky bucket delays each call for those before it, and denies a delay above the maximum', () => {
  const { take } = algorithmNamed('leaky_bucket');
  const limit = { limit: 10, windowMs: 1_000, burst: 4 };
  let state: AlgorithmState | undefined;
  const delays: number[] = [];
  for (let call = 0; call < 4; call += 1) {
    const taken = take(state, limit, START_MS, 1, undefined);
    state = taken.state;
    delays.push(taken.outcome.delayMs);
  }
  expect(delays).toEqual([0, 100, 200, 300]);
  expect(take(state, limit, START_MS, 1, undefined).outcome).toMatchObject({ allowed: false, retryAfterMs: 100 });
  const impatient = take(state, limit, START_MS + 150, 1, 100).outcome;
  expect(impatient).toMatchObject({ allowed: false, retryAfterMs: 150, delayMs: 0 });
  expect(take(state, limit, START_MS + 300, 1, 100).outcome).toMatchObject({ allowed: true, delayMs: 100 });
});

test('a log of many chunks decides as its model does while chunks expire one by one and several at once', () => {
  const limit = { limit: 10_000, windowMs: 1_000, burst: 10_000 };
  const fill = Array.from({ length: 900 }, () => ({ millionths: 0, ms: 1, costMillionths: 0, costUnits: 2 }));
  const large = { millionths: 0, ms: 1, costMillionths: 900_000, costUnits: 0 };
  const leave = [30_000, 200_000, 300_000, 64_000, 1_000, 500_000].map((millionths) => ({ ...large, millionths }));
  play(algorithmNamed('sliding_window_log'), limit, [...fill, ...leave, ...fill, ...leave]);
});

function play(algorithm: Algorithm, limit: StepLimit, history: readonly Move[]): void {
  const model = MODELS[algorithm.name];
  const capacity = algorithm.isBucket ? limit.burst : limit.limit;
  const admitted: Admission[] = [];
  let state: AlgorithmState | undefined;
  let nowMs = START_MS;
  for (const move of history) {
    nowMs += Math.floor((limit.windowMs / MILLION) * move.millionths) + move.ms;
    const cost = Math.min(capacity, Math.floor((capacity / MILLION) * move.costMillionths) + move.costUnits);
    const before = state;
    const { outcome, state: after } = algorithm.take(state, limit, nowMs, cost, undefined);
    expect(outcome.allowed).toBe(model(admitted, limit, nowMs, cost));
    if (outcome.allowed) {
      state = after;
      admitted.push({ atMs: nowMs, units: cost });
      expect(model(admitted, limit, nowMs, outcome.remaining)).toBe(true);
      expect(model(admitted, limit, nowMs, outcome.remaining + 1)).toBe(false);
    } else {
      expectRetryExact(algorithm, before, limit, { nowMs, cost }, outcome.retryAfterMs);
    }
    const { resetAfterMs } = outcome;
    expect(model(admitted, limit, nowMs + resetAfterMs, capacity)).toBe(true);
    if (resetAfterMs > 0) {
      expect(model(admitted, limit, nowMs + resetAfterMs - 1, capacity)).toBe(false);
    }
  }
}

function expectRetryExact(
  algorithm: Algorithm,
  state: AlgorithmState | undefined,
  limit: StepLimit,
  call: { nowMs: number; cost: number },
  retryAfterMs: number,
): void {
  expect(retryAfterMs).toBeGreaterThan(0);
  const atMs = call.nowMs + retryAfterMs;
  expect(algorithm.take(state, limit, atMs - 1, call.cost, undefined).outcome.allowed).toBe(false);
  expect(algorithm.take(state, limit, atMs, call.cost, undefined).outcome.allowed).toBe(true);
}

function sumSince(admitted: readonly Admission[], fromMs: number): bigint {
  return admitted.reduce((sum, { atMs, units }) => (atMs >= fromMs ? sum + BigInt(units) : sum), 0n);
}

/**
 * Replays all admissions, and returns whether the cost fits. The function multiplies `level` by the window in ms, so
 * that `level` is an integer.
 */
function fitsIntoBucket(admitted: readonly Admission[], limit: StepLimit, nowMs: number, cost: number): boolean {
  const windowMs = BigInt(limit.windowMs);
  let level = 0n;
  let atMs = admitted[0]?.atMs ?? nowMs;
  for (const admission of [...admitted, { atMs: nowMs, units: 0 }]) {
    const drained = level - BigInt(admission.atMs - atMs) * BigInt(limit.limit);
    level = (drained > 0n ? drained : 0n) + BigInt(admission.units) * windowMs;
    atMs = admission.atMs;
  }
  return level + BigInt(cost) * windowMs <= BigInt(limit.burst) * windowMs;
}
