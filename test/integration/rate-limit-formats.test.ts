/**
 * Tests the rate limit scripts with the stored values in a fixture. The current scripts write exactly these values.
 * When the scripts read these values, they return the outcomes in the fixture. The scripts reject values of a newer
 * layout without changing anything.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { compileLimits } from '../../src/rate-limit/model.ts';
import type { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import type { Redis } from '../../src/redis/redis.ts';
import {
  makeTakes,
  readFormatCases,
  readHash,
  START_MS,
  SUBJECT_KEY,
  takeAt,
  writeHash,
} from '../support/rate-limit/formats.ts';
import { frozenStore } from '../support/rate-limit/frozen-clock.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

const cases = readFormatCases();
const KEY = { scope: 's', policy: 'p', subject: 'x' };
const LAYOUT_AT = 8;
/** Start and end of the layout byte in the hex digits of a value. */
const LAYOUT_DIGITS = [16, 18] as const;
const WINDOW_MS = 60_000;

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

beforeEach(async () => {
  await server.command('DEL', SUBJECT_KEY);
});

test('has a case for every algorithm, for chunks of a log, and for several limits', () => {
  const algorithms = new Set(cases.flatMap(({ limits }) => limits.map((limit) => limit.algorithm)));
  expect([...algorithms].sort()).toEqual(ALGORITHMS.map((algorithm) => algorithm.name).sort());
  const fields = cases.flatMap(({ hash }) => Object.keys(hash));
  expect(fields.filter((field) => /#\d+$/.test(field)).length).toBeGreaterThan(0);
  expect(cases.some(({ limits }) => limits.length > 1)).toBe(true);
});

test('every value begins with its expiry and the layout', () => {
  for (const { hash } of cases) {
    for (const hex of Object.values(hash)) {
      const bytes = Buffer.from(hex, 'hex');
      expect(bytes.readDoubleLE(0)).toBeGreaterThan(START_MS);
      expect(bytes[LAYOUT_AT]).toBe(1);
    }
  }
});

describe.each(cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
  test('the scripts write exactly the committed bytes', async () => {
    await makeTakes(redis, one);
    expect(await readHash(redis)).toEqual(one.hash);
  });

  test('the scripts read the committed bytes with the known outcome and consume units from them', async () => {
    await writeHash(redis, server, one.hash);
    const limits = compileLimits(one.limits);
    const atMs = START_MS + one.peekAfterMs;
    expect(await takeAt(redis, limits, { atMs, cost: 0 })).toEqual(one.peek);
    expect(await readHash(redis)).toEqual(one.hash);
    const remaining = (await takeAt(redis, limits, { atMs, cost: 1 })).map((outcome) => outcome.remaining);
    expect(remaining).toEqual(one.peek.map((outcome) => outcome.remaining - 1));
  });
});

const ALL: readonly LimitSpec[] = ALGORITHMS.map(({ name }) => limit(name));
const WIDE = { limit: 2 ** 36, burst: 2 ** 30, windowMs: 34_560_000_000 };

function limit(algorithm: LimitSpec['algorithm'], changes: Partial<LimitSpec> = {}): LimitSpec {
  return { name: 'limit', algorithm, limit: 1_000, windowMs: WINDOW_MS, burst: 1_000, ...changes };
}

interface Refusal {
  readonly limits: readonly LimitSpec[];
  readonly run: (store: RedisRateLimitStore, limits: ReturnType<typeof compileLimits>) => Promise<unknown>;
}

function take(cost: number): Refusal['run'] {
  return (store, limits) => store.take({ key: KEY, limits, cost, maxDelayMs: undefined }, soonMs());
}

const REFUSALS: readonly [string, Refusal][] = [
  ...ALL.map((one): [string, Refusal] => [`take, ${one.algorithm}`, { limits: [one], run: take(1) }]),
  ['take, several limits', { limits: ALL.filter((one) => one.algorithm !== 'sliding_window_log'), run: take(1) }],
  ['take, several limits with a log', { limits: ALL, run: take(1) }],
  ['take, large numbers', { limits: [limit('token_bucket', WIDE)], run: take(1) }],
  ['peek', { limits: ALL, run: take(0) }],
  ['give', { limits: ALL, run: (store, limits) => store.give({ key: KEY, limits, units: 1 }, soonMs()) }],
  ['reset', { limits: ALL, run: (store, limits) => store.reset(KEY, limits, soonMs()) }],
];

describe('a value of a newer layout is rejected without any change', () => {
  async function expectRefusal({ limits, run }: Refusal, hash: Record<string, string>, atMs: number): Promise<void> {
    await writeHash(redis, server, hash);
    const before = [await readHash(redis), await server.command('PEXPIRETIME', SUBJECT_KEY)];
    const { store } = frozenStore(redis, { nowMs: () => atMs });
    await expect(run(store, compileLimits(limits))).rejects.toMatchObject({
      kind: 'forbidden',
      message: expect.stringContaining('upgrade this sidecar'),
    });
    expect([await readHash(redis), await server.command('PEXPIRETIME', SUBJECT_KEY)]).toEqual(before);
  }

  test.each(REFUSALS)('%s', async (_name, refusal) => {
    await makeTakes(redis, { limits: refusal.limits, takes: { count: 2, everyMs: 1, cost: 1 } });
    const hash = await readHash(redis);
    for (const [field, hex] of Object.entries(hash)) {
      // The values of the newer layout have the same length, are longer, or contain only the header that all layouts
      // share.
      for (const rest of [hex.slice(18), `${hex.slice(18)}0000`, '']) {
        const newer = `${hex.slice(0, LAYOUT_DIGITS[0])}02${rest}`;
        await expectRefusal(refusal, { ...hash, [field]: newer }, START_MS + 10);
      }
    }
  });

  const log = limit('sliding_window_log', { limit: 130, burst: 130 });
  const chunkRefusals: readonly [string, Refusal, number][] = [
    ['take that drops old entries', { limits: [log], run: take(1) }, WINDOW_MS + 10],
    // This call reads the chunk, because the entry that must expire first is in the chunk and not in the tail.
    ['take that is denied', { limits: [log], run: take(90) }, 200],
    ['peek', { limits: [log], run: take(0) }, WINDOW_MS + 10],
    ['give', { limits: [log], run: (store, limits) => store.give({ key: KEY, limits, units: 70 }, soonMs()) }, 200],
    ['reset', { limits: [log], run: (store, limits) => store.reset(KEY, limits, soonMs()) }, 200],
  ];

  test.each(chunkRefusals)('in a chunk of a log: %s', async (_name, refusal, afterMs) => {
    await makeTakes(redis, { limits: [log], takes: { count: 100, everyMs: 1, cost: 1 } });
    const hash = await readHash(redis);
    const field = Object.keys(hash).find((name) => name.includes('#')) ?? '';
    const hex = hash[field] ?? '';
    const newer = `${hex.slice(0, LAYOUT_DIGITS[0])}02${hex.slice(LAYOUT_DIGITS[1])}`;
    await expectRefusal(refusal, { ...hash, [field]: newer }, START_MS + afterMs);
  });
});
