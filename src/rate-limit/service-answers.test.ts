/**
 * Tests that responses are complete for peeks, bursts, failure modes, delays without a leaky bucket, and resets by
 * name, algorithm and window.
 */
import {
  checkWith,
  createServiceWorld,
  type ServiceWorld,
  serviceContext,
  testLimit,
  testPolicy,
} from '../../test/support/rate-limit/service.ts';
import type { LimitOutput } from '../grpc/generated/pannier/v1/Limit.ts';
import { StoreError } from '../lib/store-error.ts';
import { ALGORITHMS } from './algorithms/algorithm.ts';
import type { RateLimitStore } from './store.ts';

const NAMES = ALGORITHMS.map(({ name }) => name);
const POLICIES = new Map([
  ...NAMES.map((algorithm) => testPolicy(algorithm, [testLimit('one', { algorithm })])),
  testPolicy('pair', [
    testLimit('window', { limit: 8, burst: 8 }),
    testLimit('bucket', { algorithm: 'token_bucket', limit: 10, burst: 50 }),
  ]),
  testPolicy('closed', [testLimit('window'), testLimit('bucket', { algorithm: 'leaky_bucket', burst: 50 })], {
    onFailure: 'deny',
  }),
]);

const DECIDED_BY_FAILURE_MODE = 4;

function createWorld(): ServiceWorld {
  return createServiceWorld({ policies: POLICIES });
}

function createWorldWithoutStore(): ServiceWorld {
  const fail = (): Promise<never> => Promise.reject(new StoreError('unavailable', 'for the test'));
  const store: RateLimitStore = { take: fail, give: fail, reset: fail };
  return createServiceWorld({ policies: POLICIES, store: () => store });
}

describe('a peek', () => {
  test.each(NAMES)('%s: reports whether its cost would be admitted and when, and consumes nothing', async (policy) => {
    const world = createWorld();
    await checkWith(world, { policy, cost: 6 });
    const peek = await checkWith(world, { policy, cost: 4, peek: true });
    expect(peek).toMatchObject({ allowed: true, granted: 0, remaining: 4, retryAfterMs: 0, never: false });
    const denied = await checkWith(world, { policy, cost: 5, peek: true, detail: true });
    expect(denied).toMatchObject({ allowed: false, granted: 0, remaining: 4, never: false });
    expect(denied.limits).toMatchObject([{ allowed: false, remaining: 4, retryAfterMs: denied.retryAfterMs }]);
    expect(await checkWith(world, { policy, cost: 11, peek: true })).toMatchObject({
      allowed: false,
      never: true,
      remaining: 4,
      retryAfterMs: 0,
    });
    expect(await checkWith(world, { policy, cost: 4 })).toMatchObject({ allowed: true, granted: 4, remaining: 0 });
    world.clock.advance(Number(denied.retryAfterMs));
  });

  test.each(NAMES)('%s: is denied at an exhausted limit and reports when the next unit fits', async (policy) => {
    const world = createWorld();
    await checkWith(world, { policy, cost: 10 });
    for (const peek of [{ cost: 0 }, { cost: 0, peek: true }, { peek: true }]) {
      const answer = await checkWith(world, { policy, ...peek });
      expect(answer).toMatchObject({ allowed: false, granted: 0, remaining: 0, never: false });
      expect(answer.retryAfterMs).toBeGreaterThan(0);
    }
    const { retryAfterMs } = await checkWith(world, { policy, cost: 0 });
    world.clock.advance(Number(retryAfterMs) - 1);
    expect(await checkWith(world, { policy, cost: 0 })).toMatchObject({ allowed: false, retryAfterMs: 1 });
    world.clock.advance(1);
    expect(await checkWith(world, { policy, cost: 0 })).toMatchObject({ allowed: true, retryAfterMs: 0 });
    expect(await checkWith(world, { policy })).toMatchObject({ allowed: true, granted: 1 });
  });

  test('is denied by one of several limits and reports the remaining units of all', async () => {
    const world = createWorld();
    await checkWith(world, { policy: 'pair', cost: 6 });
    const answer = await checkWith(world, { policy: 'pair', cost: 3, peek: true, detail: true });
    expect(answer).toMatchObject({ allowed: false, limitName: 'window', remaining: 2 });
    expect(answer.limits).toMatchObject([
      { name: 'window', allowed: false, remaining: 2 },
      { name: 'bucket', allowed: true, remaining: 44 },
    ]);
  });

  test('reports the delay of a leaky bucket, and max_delay_ms denies a longer one', async () => {
    const world = createWorld();
    await checkWith(world, { policy: 'leaky_bucket', cost: 3 });
    const peek = { policy: 'leaky_bucket', peek: true };
    expect(await checkWith(world, peek)).toMatchObject({ allowed: true, delayMs: 18_000, remaining: 7 });
    expect(await checkWith(world, { ...peek, maxDelayMs: 17_000 })).toMatchObject({
      allowed: false,
      delayMs: 0,
      retryAfterMs: 1_000,
      remaining: 7,
    });
  });

  test('is decided by the failure mode and grants nothing if the store is unavailable', async () => {
    const world = createWorldWithoutStore();
    const answer = await checkWith(world, { policy: 'pair', cost: 5, peek: true });
    expect(answer).toMatchObject({ allowed: true, granted: 0, decidedBy: DECIDED_BY_FAILURE_MODE });
  });
});

test('the response contains the burst, which explains the remaining units', async () => {
  const world = createWorld();
  const answer = await checkWith(world, { policy: 'pair', cost: 1, detail: true });
  expect(answer).toMatchObject({ limitName: 'window', limit: 8, burst: 8, remaining: 7 });
  expect(answer.limits).toMatchObject([
    { name: 'window', limit: 8, burst: 8, remaining: 7 },
    { name: 'bucket', limit: 10, burst: 50, remaining: 49 },
  ]);
});

describe('while the store is unavailable', () => {
  test('the response lists all limits with their numbers and reports them as used up', async () => {
    const world = createWorldWithoutStore();
    const answer = await checkWith(world, { policy: 'closed', cost: 2, detail: true });
    const window = { name: 'window', limit: 10, burst: 10, windowMs: 60_000, remaining: 0, algorithm: 1 };
    const bucket = { name: 'bucket', limit: 10, burst: 50, windowMs: 60_000, remaining: 0, algorithm: 5 };
    const leftMs = 60_000 - (world.clock.nowMs() % 60_000);
    expect(answer).toMatchObject({
      ...{ allowed: false, limitName: 'window', limit: 10, burst: 10, windowMs: 60_000, remaining: 0 },
      ...{ never: false, retryAfterMs: 1_000, resetAfterMs: 300_000, decidedBy: DECIDED_BY_FAILURE_MODE },
    });
    expect(answer.limits).toEqual([
      { ...window, allowed: false, retryAfterMs: 1_000, resetAfterMs: leftMs },
      { ...bucket, allowed: false, retryAfterMs: 1_000, resetAfterMs: 300_000 },
    ]);
    const allowed = await checkWith(world, { policy: 'pair', detail: true });
    expect(allowed).toMatchObject({ allowed: true, granted: 1, retryAfterMs: 0 });
    expect(allowed.limits).toMatchObject([{ allowed: true }, { allowed: true, burst: 50 }]);
  });

  test('a cost above the capacity of one limit is denied in the name of that limit', async () => {
    const world = createWorldWithoutStore();
    const answer = await checkWith(world, { policy: 'closed', cost: 11, detail: true });
    expect(answer).toMatchObject({ allowed: false, never: true, limitName: 'window', retryAfterMs: 0 });
    const large = await checkWith(world, { policy: 'pair', cost: 9, detail: true });
    expect(large).toMatchObject({ allowed: false, never: true, limitName: 'window', retryAfterMs: 0 });
    expect(large.limits).toMatchObject([{ allowed: false }, { allowed: true }]);
  });
});

test.each(NAMES.filter((name) => name !== 'leaky_bucket'))(
  'max_delay_ms is ignored for a %s policy, so that a policy can change its algorithm',
  async (policy) => {
    const world = createWorld();
    expect(await checkWith(world, { policy, maxDelayMs: 0, cost: 10 })).toMatchObject({ allowed: true, delayMs: 0 });
    expect(await checkWith(world, { policy, maxDelayMs: 0 })).toMatchObject({ allowed: false });
  },
);

describe('ResetRateLimit', () => {
  async function reset(world: ServiceWorld, limits: readonly LimitOutput[], policy = ''): Promise<unknown> {
    const request = { policy, key: 'subject', limits: [...limits] };
    return await world.service.handlers.ResetRateLimit(request, serviceContext(world.clock));
  }

  test.each(ALGORITHMS.map(({ name, number }) => [name, number as LimitOutput['algorithm']] as const))(
    '%s: needs only name, algorithm and window, and the next check counts from 0',
    async (_name, algorithm) => {
      const world = createWorld();
      const limit: LimitOutput = { name: 'x', algorithm, limit: 10, windowMs: 60_000, holdMs: 0 };
      const identity: LimitOutput = { ...limit, limit: 0 };
      // These two checks use units in two windows of the sliding window counter.
      await checkWith(world, { limits: [limit], cost: 10 });
      world.clock.advance(60_000);
      await checkWith(world, { limits: [limit], cost: 5 });
      expect(await reset(world, [identity])).toEqual({ existed: true });
      expect(await reset(world, [identity])).toEqual({ existed: false });
      expect(await checkWith(world, { limits: [limit], peek: true })).toMatchObject({ remaining: 10, resetAfterMs: 0 });
      expect(await checkWith(world, { limits: [limit], cost: 10 })).toMatchObject({ allowed: true, remaining: 0 });
    },
  );

  test('ignores fields that do not identify a limit', async () => {
    const world = createWorld();
    const limit: LimitOutput = { name: 'x', algorithm: 4, limit: 10, windowMs: 60_000, holdMs: 0, burst: 20 };
    await checkWith(world, { limits: [limit], cost: 20 });
    expect(await reset(world, [{ ...limit, limit: -1, burst: 2 ** 40, holdMs: 7 }])).toEqual({ existed: true });
    expect(await checkWith(world, { limits: [limit], cost: 20 })).toMatchObject({ allowed: true });
  });

  test('keeps limits of the same name with another window or algorithm', async () => {
    const world = createWorld();
    const limit: LimitOutput = { name: 'x', algorithm: 1, limit: 10, windowMs: 60_000, holdMs: 0 };
    const others: LimitOutput[] = [
      { ...limit, windowMs: 3_600_000 },
      { ...limit, algorithm: 2 },
      { ...limit, name: 'y' },
    ];
    for (const each of [limit, ...others]) {
      await checkWith(world, { limits: [each], cost: 10 });
    }
    expect(await reset(world, [limit])).toEqual({ existed: true });
    for (const each of others) {
      expect(await checkWith(world, { limits: [each] })).toMatchObject({ allowed: false });
    }
    expect(await reset(world, [limit, ...others])).toEqual({ existed: true });
    for (const each of others) {
      expect(await checkWith(world, { limits: [each] })).toMatchObject({ allowed: true });
    }
  });

  test.each([
    ['name', { name: '' }, 'limits[0].name must be 1 to 64 characters of [A-Za-z0-9._-], got an empty name'],
    ['algorithm', { algorithm: 0 }, 'limits[0].algorithm must be one of ALGORITHM_FIXED_WINDOW, '],
    ['window', { windowMs: 0 }, 'limits[0].window_ms must be '],
  ] as const)('rejects a limit without %s', async (_what, change, text) => {
    const limit: LimitOutput = { name: 'x', algorithm: 1, limit: 0, windowMs: 60_000, holdMs: 0 };
    await expect(reset(createWorld(), [{ ...limit, ...change }])).rejects.toThrow(text);
  });
});
