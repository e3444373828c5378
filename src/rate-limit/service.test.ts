/**
 * Tests the responses of the rate limit service: which limit they describe, what the failure modes decide if the store
 * fails, and which state a call uses.
 */
import {
  CHECK_DEFAULTS,
  checkWith,
  createServiceWorld,
  type ServiceWorld,
  type ServiceWorldOptions,
  serviceContext,
  testLimit,
  testPolicy,
} from '../../test/support/rate-limit/service.ts';
import { expectedErrorStatus } from '../grpc/error-status.ts';
import type { CheckRateLimitRequestOutput } from '../grpc/generated/pannier/v1/CheckRateLimitRequest.ts';
import { Status } from '../grpc/status.ts';
import { StoreError, type StoreErrorKind } from '../lib/store-error.ts';
import { newerLayout, type RateLimitStore } from './store.ts';

const DECIDED_BY_STORE = 1;
const DECIDED_BY_FAILURE_MODE = 4;

const POLICIES = new Map([
  testPolicy('pair', [
    testLimit('small', { limit: 5, burst: 5 }),
    testLimit('large', { limit: 8, burst: 8, windowMs: 3_600_000 }),
  ]),
  testPolicy('strict', [testLimit('one')], { onFailure: 'deny' }),
  testPolicy('common', [testLimit('one')], { shared: true }),
]);

function createWorld(options: Pick<ServiceWorldOptions, 'store' | 'scope'> = {}): ServiceWorld {
  return createServiceWorld({ ...options, policies: POLICIES });
}

function failingStore(kind: StoreErrorKind): RateLimitStore {
  const fail = (): Promise<never> => Promise.reject(new StoreError(kind, 'for the test'));
  return { take: fail, give: fail, reset: fail };
}

test('an admitted call names the limit with the smallest remaining fraction', async () => {
  const world = createWorld();
  const answer = await checkWith(world, { policy: 'pair', cost: 2 });
  expect(answer).toMatchObject({
    allowed: true,
    granted: 2,
    limitName: 'small',
    limit: 5,
    remaining: 3,
    windowMs: 60_000,
    retryAfterMs: 0,
    decidedBy: DECIDED_BY_STORE,
    limits: [],
  });
});

test('a denied call names the limit with the longest wait, consumes nothing, and reports all limits if detail is set', async () => {
  const world = createWorld();
  await checkWith(world, { policy: 'pair', cost: 4 });
  const answer = await checkWith(world, { policy: 'pair', cost: 5, detail: true });
  expect(answer).toMatchObject({ allowed: false, granted: 0, limitName: 'large', remaining: 4 });
  expect(answer.retryAfterMs).toBe(answer.limits?.[1]?.retryAfterMs);
  expect(answer.limits).toMatchObject([
    { name: 'small', allowed: false, remaining: 1 },
    { name: 'large', allowed: false, remaining: 4 },
  ]);
  expect(await checkWith(world, { policy: 'pair', cost: 0 })).toMatchObject({
    allowed: true,
    granted: 0,
    remaining: 1,
  });
});

test('a cost above the capacity of a limit is denied with never', async () => {
  const world = createWorld();
  const answer = await checkWith(world, { policy: 'pair', cost: 6 });
  expect(answer).toMatchObject({ allowed: false, never: true, retryAfterMs: 0, limitName: 'small' });
});

test.each<StoreErrorKind>(['unavailable', 'unknown', 'deadline', 'forbidden'])(
  'the failure mode decides if the store fails with %s',
  async (kind) => {
    const world = createWorld({ store: () => failingStore(kind) });
    const inline = { limits: [{ name: 'a', algorithm: 1 as const, limit: 5, windowMs: 1_000, holdMs: 0 }] };
    const failure = { decidedBy: DECIDED_BY_FAILURE_MODE };
    expect(await checkWith(world, { policy: 'pair' })).toMatchObject({ ...failure, allowed: true, granted: 1 });
    const denied = await checkWith(world, { policy: 'strict' });
    expect(denied).toMatchObject({ ...failure, allowed: false, granted: 0 });
    expect(denied.retryAfterMs).toBeGreaterThan(0);
    expect(await checkWith(world, inline)).toMatchObject({ ...failure, allowed: true });
    expect(await checkWith(world, { ...inline, onFailure: 2 })).toMatchObject({ ...failure, allowed: false });
    expect(await checkWith(world, { ...inline, cost: 6 })).toMatchObject({ ...failure, allowed: false, never: true });
    expect(world.decisions).toEqual([
      'pair failure_allowed',
      'strict failure_denied',
      '(inline) failure_allowed',
      '(inline) failure_denied',
      '(inline) failure_denied',
    ]);
  },
);

test('counts peeks separately from decisions, denials by limit, and unknown policies', async () => {
  const world = createWorld();
  await checkWith(world, { policy: 'pair', cost: 4 });
  await checkWith(world, { policy: 'pair', cost: 2 });
  world.clock.advance(60_000);
  await checkWith(world, { policy: 'pair', cost: 5 });
  await checkWith(world, { policy: 'pair', cost: 6 });
  await checkWith(world, { policy: 'pair', cost: 0 });
  await checkWith(world, { policy: 'pair', cost: 6, peek: true });
  await expect(checkWith(world, { policy: 'nope' })).rejects.toThrow('no policy');
  const reset = { policy: 'nope', key: 'subject', limits: [] };
  await expect(world.service.handlers.ResetRateLimit(reset, serviceContext(world.clock))).rejects.toThrow('no policy');
  const checks = [1, 1].map((cost) => ({ ...CHECK_DEFAULTS, policy: 'strict', cost }));
  await world.service.handlers.CheckRateLimits({ checks }, serviceContext(world.clock));
  const inline = { limits: [{ name: 'a', algorithm: 1 as const, limit: 1, windowMs: 1_000, holdMs: 0 }] };
  await checkWith(world, { ...inline, cost: 2 });
  expect(world.decisions).toEqual([
    'pair allowed',
    'pair denied',
    'pair denied by small',
    'pair denied',
    'pair denied by large',
    'pair denied',
    'pair denied by small',
    'pair peek by store',
    'pair peek by store',
    'unknown policy',
    'unknown policy',
    'strict allowed',
    'strict allowed',
    '(inline) denied',
  ]);
  const failing = createWorld({ store: () => failingStore('unavailable') });
  await checkWith(failing, { policy: 'strict', cost: 0 });
  await checkWith(failing, { policy: 'strict' });
  expect(failing.decisions).toEqual(['strict peek by failure_mode', 'strict failure_denied']);
});

test('a full store is an error and not decided by the failure mode', async () => {
  const world = createWorld({ store: () => failingStore('full') });
  await expect(checkWith(world, { policy: 'pair' })).rejects.toMatchObject({ kind: 'full' });
});

test('logs an unexpected error of several checks in one call once, with the method and the cause', async () => {
  const fail = (): Promise<never> => Promise.reject(new Error('broken'));
  const world = createWorld({ store: () => ({ take: fail, give: fail, reset: fail }) });
  const checks = [1, 2].map(() => ({ ...CHECK_DEFAULTS, policy: 'pair' }));
  const { results } = await world.service.handlers.CheckRateLimits({ checks }, serviceContext(world.clock));
  const error = { code: Status.INTERNAL, message: "cannot answer the call: internal error; see the sidecar's log" };
  expect(results).toEqual([{ error }, { error }]);
  expect(world.errorLines).toEqual([
    {
      method: '/pannier.v1.RateLimitService/CheckRateLimits',
      error: 'Error: broken',
      stack: expect.stringContaining('service.test.ts'),
    },
  ]);
});

test('a value of a newer layout is an error and not decided by the failure mode', async () => {
  const fail = (): Promise<never> => Promise.reject(newerLayout());
  const world = createWorld({ store: () => ({ take: fail, give: fail, reset: fail }) });
  const failure = checkWith(world, { policy: 'pair' });
  await expect(failure).rejects.toMatchObject({ kind: 'forbidden' });
  const { code, message } = expectedErrorStatus((await failure.catch((error: unknown) => error)) as StoreError);
  expect(code).toBe(Status.FAILED_PRECONDITION);
  expect(message).toContain('upgrade this sidecar');
});

test('keeps state per scope unless the policy is shared, and inline limits apart from policies', async () => {
  const world = createWorld({ scope: 'team' });
  await checkWith(world, { policy: 'strict' });
  await checkWith(world, { policy: 'common' });
  await checkWith(world, { limits: [{ name: 'one', algorithm: 1, limit: 5, windowMs: 1_000, holdMs: 0 }] });
  expect(world.asked.map(({ key }) => key)).toEqual([
    { scope: 'team', policy: 'strict', subject: 'subject', isHashed: false },
    { scope: '', policy: 'common', subject: 'subject', isHashed: false },
    { scope: 'team', policy: '', subject: 'subject', isHashed: false },
  ]);
});

test('returns the results of several checks in their order, each as if it were alone', async () => {
  const world = createWorld();
  const one = CHECK_DEFAULTS;
  const checks: CheckRateLimitRequestOutput[] = [
    { ...one, policy: 'strict' },
    { ...one, policy: 'unknown' },
    { ...one, policy: 'pair', cost: 9 },
    { ...one, policy: 'strict' },
  ];
  const { results } = await world.service.handlers.CheckRateLimits({ checks }, serviceContext(world.clock));
  expect(results).toMatchObject([
    { response: { allowed: true, remaining: 9 } },
    { error: { code: 5, message: expect.stringContaining('"unknown"') } },
    { response: { never: true } },
    { response: { allowed: true, remaining: 8 } },
  ]);
});

test('a reset restores the units of a policy or of single inline limits', async () => {
  const world = createWorld();
  const inline = [
    { name: 'a', algorithm: 1 as const, limit: 5, windowMs: 60_000, holdMs: 0 },
    { name: 'b', algorithm: 1 as const, limit: 5, windowMs: 60_000, holdMs: 0 },
  ];
  await checkWith(world, { policy: 'pair', cost: 5 });
  await checkWith(world, { limits: inline, cost: 5 });
  const reset = async (request: { policy: string; limits: typeof inline }): Promise<unknown> =>
    await world.service.handlers.ResetRateLimit({ key: 'subject', ...request }, serviceContext(world.clock));
  expect(await reset({ policy: 'pair', limits: [] })).toEqual({ existed: true });
  expect(await reset({ policy: 'pair', limits: [] })).toEqual({ existed: false });
  expect(await checkWith(world, { policy: 'pair', cost: 5 })).toMatchObject({ allowed: true });
  expect(await reset({ policy: '', limits: inline.slice(0, 1) })).toEqual({ existed: true });
  expect(await checkWith(world, { limits: inline.slice(0, 1), cost: 5 })).toMatchObject({ allowed: true });
  expect(await checkWith(world, { limits: inline.slice(1), cost: 1 })).toMatchObject({ allowed: false });
});
