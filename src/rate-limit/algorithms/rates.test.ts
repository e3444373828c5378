/**
 * Tests the admission rates of the algorithms over time. A client that stays within the rate of its limit is never
 * denied. During a flood, whenever it starts, the sustained rate and the largest burst equal the values in the table of
 * docs/guides/rate-limiting.md.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { MAX_LIMIT, MAX_SLIDING_LOG_LIMIT, MAX_WINDOW_MS } from '../../config/policy-file.ts';
import { ALGORITHMS, type Algorithm, type AlgorithmState, algorithmNamed } from './algorithm.ts';
import type { StepLimit } from './step.ts';

const EPOCH_MS = 1_700_000_000_000;

interface Admission {
  /** Time of the admission. `leavesAtMs` is the time at which the caller may proceed after the delay. */
  readonly atMs: number;
  readonly leavesAtMs: number;
}

/** Makes one-unit calls from `startMs` on, each one as early as the limit allows. Returns the admitted calls. */
function flood(
  algorithm: Algorithm,
  limit: StepLimit,
  { startMs, endMs }: { startMs: number; endMs: number },
): Admission[] {
  const admitted: Admission[] = [];
  let state: AlgorithmState | undefined;
  let nowMs = startMs;
  while (nowMs < endMs) {
    const step = algorithm.take(state, limit, nowMs, 1, undefined);
    if (step.outcome.allowed) {
      state = step.state;
      admitted.push({ atMs: nowMs, leavesAtMs: nowMs + step.outcome.delayMs });
    }
    nowMs += step.outcome.retryAfterMs;
  }
  return admitted;
}

/** Returns the largest number of the given times that lie within one period of `durationMs`. */
function mostWithin(times: readonly number[], durationMs: number): number {
  let most = 0;
  let first = 0;
  for (const [index, atMs] of times.entries()) {
    while (atMs - (times[first] ?? atMs) >= durationMs) {
      first += 1;
    }
    most = Math.max(most, index - first + 1);
  }
  return most;
}

describe.each(ALGORITHMS.map((algorithm) => [algorithm.name, algorithm] as const))('%s', (name, algorithm) => {
  const maxLimit = name === 'sliding_window_log' ? MAX_SLIDING_LOG_LIMIT : MAX_LIMIT;

  test('admits every call of a client that keeps to its rate, for any limit, window and phase', () => {
    const limits = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: maxLimit }));
    const windows = fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: MAX_WINDOW_MS }));
    fc.assert(
      fc.property(limits, windows, fc.nat(), fc.nat(), (limit, windowMs, phaseMs, phaseShare) => {
        const paced = { limit, windowMs, burst: limit };
        const [count, window] = [BigInt(limit), BigInt(windowMs)];
        let state: AlgorithmState | undefined;
        let admitted = 0n;
        for (let call = 0n; call < 500n; call += 1n) {
          // Exact time of the call. The clock rounds this time down to milliseconds.
          const parts = call * window + (BigInt(phaseShare) % window);
          const nowMs = EPOCH_MS + phaseMs + Number(parts / count);
          const step = algorithm.take(state, paced, nowMs, 1, undefined);
          state = step.state;
          admitted += step.outcome.allowed ? 1n : 0n;
        }
        expect(admitted).toBe(500n);
      }),
      { numRuns: 200 },
    );
  });

  test('admits as many calls as the table of docs/guides/rate-limiting.md states: 100 per 60 s, with a burst of 150 for buckets', () => {
    const limit = { limit: 100, windowMs: 60_000, burst: algorithm.isBucket ? 150 : 100 };
    const startMs = EPOCH_MS - (EPOCH_MS % limit.windowMs);
    const windows = 20;
    let most = { within2Ms: 0, withinWindow: 0 };
    let sustained = 0;
    let leaving = 0;
    for (const phaseMs of [0, 1, 30_000, 59_998, 59_999]) {
      const endMs = startMs + windows * limit.windowMs;
      const admitted = flood(algorithm, limit, { startMs: startMs + phaseMs, endMs });
      const times = admitted.map(({ atMs }) => atMs);
      most = {
        within2Ms: Math.max(most.within2Ms, mostWithin(times, 2)),
        withinWindow: Math.max(most.withinWindow, mostWithin(times, limit.windowMs)),
      };
      const halfMs = startMs + (windows / 2) * limit.windowMs;
      sustained = Math.max(sustained, times.filter((atMs) => atMs >= halfMs).length / (windows / 2));
      const leavingTimes = admitted.map(({ leavesAtMs }) => leavesAtMs);
      leaving = Math.max(leaving, mostWithin(leavingTimes, limit.windowMs));
    }
    expect(rowOf(name)).toEqual([sustained, most.within2Ms, most.withinWindow]);
    if (name === 'leaky_bucket') {
      expect(leaving).toBe(100);
    }
  });
});

function readDocs(): string {
  return readFileSync(join(import.meta.dirname, '../../../docs/guides/rate-limiting.md'), 'utf8');
}

/** Returns the numbers in parentheses in one row of the table. */
function rowOf(name: string): number[] {
  const row = readDocs()
    .split('\n')
    .find((line) => line.startsWith(`| \`${name}\` |`) && line.includes(' per `W` ('));
  return [...(row ?? '').matchAll(/\((\d+)\)/g)].map((match) => Number(match[1]));
}

test('starts windows of 7 days on Thursdays at 00:00 UTC, as the docs state', () => {
  const week = { limit: 1, windowMs: 7 * 86_400_000, burst: 1 };
  const { outcome } = algorithmNamed('fixed_window').take(undefined, week, EPOCH_MS, 1, undefined);
  expect(new Date(EPOCH_MS + outcome.resetAfterMs).toUTCString()).toMatch(/^Thu, .* 00:00:00 GMT$/);
  expect(readDocs()).toContain('of `7d` on Thursdays at 00:00 UTC');
});

test('sliding_window_counter admits at most limit + ceil(limit * (d - 1) / W) units in any d milliseconds, and exactly that in a flood', () => {
  const algorithm = algorithmNamed('sliding_window_counter');
  const calls = fc.array(
    fc.record({
      ms: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 60 })),
      cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(calls, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 60 }), (history, limit, windowMs) => {
      const units: number[] = [];
      let state: AlgorithmState | undefined;
      let nowMs = EPOCH_MS;
      for (const { ms, cost } of history) {
        nowMs += ms;
        const { outcome, state: after } = algorithm.take(
          state,
          { limit, windowMs, burst: limit },
          nowMs,
          cost,
          undefined,
        );
        if (outcome.allowed) {
          state = after;
          units.push(...Array<number>(cost).fill(nowMs));
        }
      }
      for (const durationMs of [1, 2, Math.ceil(windowMs / 2), windowMs, 3 * windowMs + 1]) {
        const bound = limit + Math.ceil((limit * (durationMs - 1)) / windowMs);
        expect(mostWithin(units, durationMs)).toBeLessThanOrEqual(bound);
      }
    }),
    { numRuns: 500 },
  );
  const limit = { limit: 7, windowMs: 100, burst: 7 };
  const startMs = EPOCH_MS + 99;
  const times = flood(algorithm, limit, { startMs, endMs: startMs + 1_000 }).map(({ atMs }) => atMs);
  for (const durationMs of [1, 2, 50, 100]) {
    expect(mostWithin(times, durationMs)).toBe(
      limit.limit + Math.ceil((limit.limit * (durationMs - 1)) / limit.windowMs),
    );
  }
});
