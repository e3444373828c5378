/**
 * What the rate limit service answers: which limit decided, what failure modes do in the store's place, whose state it is.
 */
import { DEFAULT_POLICY_FILE, type LimitSpec, type PolicySpec } from '../config/policy-file.ts';
import { errorStatus } from '../grpc/error-status.ts';
import type { CheckRateLimitRequestOutput } from '../grpc/generated/pannier/v1/CheckRateLimitRequest.ts';
import type { CheckRateLimitResponse } from '../grpc/generated/pannier/v1/CheckRateLimitResponse.ts';
import type { CallContext } from '../grpc/method.ts';
import { Status } from '../grpc/status.ts';
import { FakeClock } from '../lib/clock.ts';
import { StoreError, type StoreErrorKind } from '../lib/store-error.ts';
import { MemoryRateLimitStore } from './memory-store.ts';
import { createRateLimitService, type RateLimitService } from './service.ts';
import { newerLayout, type RateLimitStore, type TakeRequest } from './store.ts';

const DECIDED_BY_STORE = 1;
const DECIDED_BY_FAILURE_MODE = 4;

function limit(name: string, change: Partial<LimitSpec> = {}): LimitSpec {
  return { name, algorithm: 'fixed_window', limit: 10, windowMs: 60_000, burst: 10, ...change };
}

function policy(name: string, limits: readonly LimitSpec[], change: Partial<PolicySpec> = {}): [string, PolicySpec] {
  return [name, { name, limits, onFailure: 'allow', shared: false, hashSubjects: false, ...change }];
}

const POLICIES = new Map([
  policy('pair', [limit('small', { limit: 5, burst: 5 }), limit('large', { limit: 8, burst: 8, windowMs: 3_600_000 })]),
  policy('strict', [limit('one')], { onFailure: 'deny' }),
  policy('common', [limit('one')], { shared: true }),
]);

interface World {
  readonly clock: FakeClock;
  readonly service: RateLimitService;
  readonly decisions: string[];
  readonly asked: TakeRequest[];
}

function createWorld(options: { store?: RateLimitStore; scope?: string } = {}): World {
  const clock = new FakeClock();
  const memory = options.store ?? new MemoryRateLimitStore({ clock, maxEntries: 100, maxBytes: 1_000_000 });
  const decisions: string[] = [];
  const asked: TakeRequest[] = [];
  const store: RateLimitStore = {
    take: (request, deadlineAtMs) => {
      asked.push(request);
      return memory.take(request, deadlineAtMs);
    },
    give: (request, deadlineAtMs) => memory.give(request, deadlineAtMs),
    reset: (key, limits, deadlineAtMs) => memory.reset(key, limits, deadlineAtMs),
  };
  const service = createRateLimitService({
    store,
    policies: { current: () => ({ ...DEFAULT_POLICY_FILE, policies: POLICIES }) },
    scope: options.scope ?? 'team',
    clock,
    metrics: { decision: (name, outcome) => decisions.push(`${name} ${outcome}`) },
  });
  return { clock, service, decisions, asked };
}

function contextOf(clock: FakeClock, leftMs = 1_000): CallContext {
  return {
    deadlineAtMs: clock.monotonicMs() + leftMs,
    metadata: () => undefined,
    binaryMetadata: () => undefined,
    answerWith: () => undefined,
    isOver: () => false,
    onOver: () => undefined,
  };
}

async function check(world: World, change: Partial<CheckRateLimitRequestOutput>): Promise<CheckRateLimitResponse> {
  const request: CheckRateLimitRequestOutput = {
    policy: '',
    key: 'subject',
    requestId: '',
    partial: false,
    reserve: false,
    limits: [],
    onFailure: 0,
    detail: false,
    peek: false,
    ...change,
  };
  return await world.service.CheckRateLimit(request, contextOf(world.clock));
}

function failingStore(kind: StoreErrorKind): RateLimitStore {
  const fail = (): Promise<never> => Promise.reject(new StoreError(kind, 'for the test'));
  return { take: fail, give: fail, reset: fail };
}

test('an admitted call names the limit with the smallest share left', async () => {
  const world = createWorld();
  const answer = await check(world, { policy: 'pair', cost: 2 });
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

test('a denied call names the denier with the longest wait, takes nothing, and tells of all with detail', async () => {
  const world = createWorld();
  await check(world, { policy: 'pair', cost: 4 });
  const answer = await check(world, { policy: 'pair', cost: 5, detail: true });
  expect(answer).toMatchObject({ allowed: false, granted: 0, limitName: 'large', remaining: 4 });
  expect(answer.retryAfterMs).toBe(answer.limits?.[1]?.retryAfterMs);
  expect(answer.limits).toMatchObject([
    { name: 'small', allowed: false, remaining: 1 },
    { name: 'large', allowed: false, remaining: 4 },
  ]);
  expect(await check(world, { policy: 'pair', cost: 0 })).toMatchObject({ allowed: true, granted: 0, remaining: 1 });
});

test('a cost above a limit is never admitted, and says so', async () => {
  const world = createWorld();
  const answer = await check(world, { policy: 'pair', cost: 6 });
  expect(answer).toMatchObject({ allowed: false, never: true, retryAfterMs: 0, limitName: 'small' });
});

test.each<StoreErrorKind>(['unavailable', 'unknown', 'deadline', 'forbidden'])(
  'a store that ends %s leaves the decision to the failure mode',
  async (kind) => {
    const world = createWorld({ store: failingStore(kind) });
    const inline = { limits: [{ name: 'a', algorithm: 1 as const, limit: 5, windowMs: 1_000, holdMs: 0 }] };
    const failure = { decidedBy: DECIDED_BY_FAILURE_MODE };
    expect(await check(world, { policy: 'pair' })).toMatchObject({ ...failure, allowed: true, granted: 1 });
    const denied = await check(world, { policy: 'strict' });
    expect(denied).toMatchObject({ ...failure, allowed: false, granted: 0 });
    expect(denied.retryAfterMs).toBeGreaterThan(0);
    expect(await check(world, inline)).toMatchObject({ ...failure, allowed: true });
    expect(await check(world, { ...inline, onFailure: 2 })).toMatchObject({ ...failure, allowed: false });
    expect(await check(world, { ...inline, cost: 6 })).toMatchObject({ ...failure, allowed: false, never: true });
    expect(world.decisions).toEqual([
      'pair failure_allowed',
      'strict failure_denied',
      '(inline) failure_allowed',
      '(inline) failure_denied',
      '(inline) failure_denied',
    ]);
  },
);

test('a bound of ours is an error, not a failure of the store', async () => {
  const world = createWorld({ store: failingStore('full') });
  await expect(check(world, { policy: 'pair' })).rejects.toMatchObject({ kind: 'full' });
});

test('a value of a newer layout is an error, not a failure of the store', async () => {
  const fail = (): Promise<never> => Promise.reject(newerLayout());
  const world = createWorld({ store: { take: fail, give: fail, reset: fail } });
  const failure = check(world, { policy: 'pair' });
  await expect(failure).rejects.toMatchObject({ kind: 'forbidden' });
  const { code, message } = errorStatus(await failure.catch((error: unknown) => error));
  expect(code).toBe(Status.FAILED_PRECONDITION);
  expect(message).toContain('upgrade this sidecar');
});

test('the state is the scope’s, unless the policy is shared; inline limits have none of a policy', async () => {
  const world = createWorld({ scope: 'team' });
  await check(world, { policy: 'strict' });
  await check(world, { policy: 'common' });
  await check(world, { limits: [{ name: 'one', algorithm: 1, limit: 5, windowMs: 1_000, holdMs: 0 }] });
  expect(world.asked.map(({ key }) => key)).toEqual([
    { scope: 'team', policy: 'strict', subject: 'subject', isHashed: false },
    { scope: '', policy: 'common', subject: 'subject', isHashed: false },
    { scope: 'team', policy: '', subject: 'subject', isHashed: false },
  ]);
});

test('many checks answer in their places, each as it would alone', async () => {
  const world = createWorld();
  const one = {
    key: 'subject',
    requestId: '',
    partial: false,
    reserve: false,
    limits: [],
    onFailure: 0,
    detail: false,
    peek: false,
  } as const;
  const checks: CheckRateLimitRequestOutput[] = [
    { ...one, policy: 'strict', limits: [] },
    { ...one, policy: 'nobody', limits: [] },
    { ...one, policy: 'pair', limits: [], cost: 9 },
    { ...one, policy: 'strict', limits: [] },
  ];
  const { results } = await world.service.CheckRateLimits({ checks }, contextOf(world.clock));
  expect(results).toMatchObject([
    { response: { allowed: true, remaining: 9 } },
    { error: { code: 5, message: expect.stringContaining('"nobody"') } },
    { response: { never: true } },
    { response: { allowed: true, remaining: 8 } },
  ]);
});

test('a reset gives back what was used, of a policy or of single inline limits', async () => {
  const world = createWorld();
  const inline = [
    { name: 'a', algorithm: 1 as const, limit: 5, windowMs: 60_000, holdMs: 0 },
    { name: 'b', algorithm: 1 as const, limit: 5, windowMs: 60_000, holdMs: 0 },
  ];
  await check(world, { policy: 'pair', cost: 5 });
  await check(world, { limits: inline, cost: 5 });
  const reset = async (request: { policy: string; limits: typeof inline }): Promise<unknown> =>
    await world.service.ResetRateLimit({ key: 'subject', ...request }, contextOf(world.clock));
  expect(await reset({ policy: 'pair', limits: [] })).toEqual({ existed: true });
  expect(await reset({ policy: 'pair', limits: [] })).toEqual({ existed: false });
  expect(await check(world, { policy: 'pair', cost: 5 })).toMatchObject({ allowed: true });
  expect(await reset({ policy: '', limits: inline.slice(0, 1) })).toEqual({ existed: true });
  expect(await check(world, { limits: inline.slice(0, 1), cost: 5 })).toMatchObject({ allowed: true });
  expect(await check(world, { limits: inline.slice(1), cost: 1 })).toMatchObject({ allowed: false });
});
