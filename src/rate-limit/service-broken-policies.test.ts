/**
 * Tests calls that name a policy with an error in the policy file.
 */
import {
  CHECK_DEFAULTS,
  createServiceWorld,
  serviceContext,
  testLimit,
  testPolicy,
} from '../../test/support/rate-limit/service.ts';
import type { BrokenParts } from '../config/policy-file.ts';
import { Status } from '../grpc/status.ts';

const BROKEN: BrokenParts = {
  policies: new Map([['bad', 'policies.yaml:4:51: the error']]),
  otherPolicies: undefined,
  cacheNamespaces: new Map(),
  cacheDefault: undefined,
  sessions: undefined,
};
const TEXT = 'the policy "bad" cannot be used: policies.yaml:4:51: the error; correct the policy file';

function createWorld(broken: BrokenParts): ReturnType<typeof createServiceWorld> {
  return createServiceWorld({ policies: new Map([testPolicy('good', [testLimit('one')])]), broken });
}

test('a check in CheckRateLimits fails with the error of its policy, and the others are decided', async () => {
  const world = createWorld(BROKEN);
  const checks = ['bad', 'good', 'other'].map((policy) => ({ ...CHECK_DEFAULTS, policy }));
  const { results } = await world.service.handlers.CheckRateLimits({ checks }, serviceContext(world.clock));
  expect(results).toMatchObject([
    { error: { code: Status.FAILED_PRECONDITION, message: `cannot check rate limit: ${TEXT}` } },
    { response: { allowed: true } },
    { error: { code: Status.NOT_FOUND } },
  ]);
  // The error is not a decision, and not a wrong name of the caller.
  expect(world.decisions).toEqual(['good allowed', 'unknown policy']);
  expect([world.asked.length, world.errorLines]).toEqual([1, []]);
});

test('ResetRateLimit fails with the error of its policy', async () => {
  const world = createWorld(BROKEN);
  const request = { policy: 'bad', key: 'ada', limits: [] };
  await expect(world.service.handlers.ResetRateLimit(request, serviceContext(world.clock))).rejects.toMatchObject({
    code: Status.FAILED_PRECONDITION,
    message: `cannot reset rate limit: ${TEXT}`,
  });
});

test('an error of the whole section affects each policy that the file does not list', async () => {
  const world = createWorld({ ...BROKEN, otherPolicies: 'policies.yaml:1:1: unknown key' });
  const checks = ['good', 'other'].map((policy) => ({ ...CHECK_DEFAULTS, policy }));
  const { results } = await world.service.handlers.CheckRateLimits({ checks }, serviceContext(world.clock));
  expect(results).toMatchObject([
    { response: { allowed: true } },
    { error: { code: Status.FAILED_PRECONDITION, message: expect.stringContaining('policies.yaml:1:1: unknown key') } },
  ]);
});
