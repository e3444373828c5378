/**
 * Tests the status code and the text with which the rate limit service rejects each invalid request. None of these
 * requests reaches the store.
 */

import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { DEFAULT_POLICY_FILE } from '../config/policy-file.ts';
import type { CheckRateLimitRequestOutput } from '../grpc/generated/pannier/v1/CheckRateLimitRequest.ts';
import type { LimitOutput } from '../grpc/generated/pannier/v1/Limit.ts';
import type { CallContext } from '../grpc/method.ts';
import { Status, StatusError } from '../grpc/status.ts';
import { ALGORITHMS } from './algorithms/algorithm.ts';
import { createRateLimitService } from './service.ts';

const { INVALID_ARGUMENT, UNIMPLEMENTED, NOT_FOUND } = Status;
const clock = new FakeClock();
const service = createRateLimitService({
  store: {
    take: () => {
      throw new Error('cannot take: an invalid request reached the store');
    },
    give: () => {
      throw new Error('cannot give: the service never calls it');
    },
    reset: () => {
      throw new Error('cannot reset: an invalid request reached the store');
    },
  },
  policies: {
    current: () => ({
      ...DEFAULT_POLICY_FILE,
      policies: new Map([
        [
          'api',
          {
            name: 'api',
            limits: [{ name: 'hour', algorithm: 'fixed_window' as const, limit: 10, windowMs: 3_600_000, burst: 10 }],
            onFailure: 'allow' as const,
            shared: false,
            hashSubjects: false,
          },
        ],
      ]),
    }),
  },
  scope: 'test',
  clock,
  metrics: {
    decision: () => undefined,
    denial: () => undefined,
    peek: () => undefined,
    unknownPolicy: () => undefined,
  },
  log: { error: () => undefined },
});

const context: CallContext = {
  deadlineAtMs: clock.monotonicMs() + 1_000,
  metadata: () => undefined,
  binaryMetadata: () => undefined,
  answerWith: () => undefined,
  isOver: () => false,
  onOver: () => undefined,
};

const LIMIT: LimitOutput = { name: 'a', algorithm: 1, limit: 10, windowMs: 1_000, holdMs: 0 };
const SECRET = 'subject-secret';

type Row = readonly [string, Partial<CheckRateLimitRequestOutput>, number, RegExp];

function inline(change: Partial<LimitOutput>): Partial<CheckRateLimitRequestOutput> {
  return { policy: '', limits: [{ ...LIMIT, ...change }] };
}

/** Returns a pattern that matches `text`, then the list of supported algorithms, then `end`. */
function served(text: string, end = ''): RegExp {
  const names = ALGORITHMS.map(({ name }) => `ALGORITHM_${name.toUpperCase()}`).join(', ');
  return new RegExp(`${`${text} ${names}${end}`.replace(/[[\].]/g, '\\$&')}$`);
}

const ROWS: readonly Row[] = [
  [
    'neither policy nor limits',
    { policy: '' },
    INVALID_ARGUMENT,
    /^policy must be set when limits is unset, got neither$/,
  ],
  [
    'both policy and limits',
    { limits: [LIMIT] },
    INVALID_ARGUMENT,
    /^policy must be unset when limits is set, got both$/,
  ],
  ['no key', { key: '' }, INVALID_ARGUMENT, /^key must be 1 to 512 bytes long, got 0 bytes$/],
  ['a long key', { key: 'x'.repeat(513) }, INVALID_ARGUMENT, /^key must be 1 to 512 bytes long, got 513 bytes$/],
  [
    'a key long in bytes',
    { key: 'ü'.repeat(257) },
    INVALID_ARGUMENT,
    /^key must be 1 to 512 bytes long, got 514 bytes$/,
  ],
  [
    'an unknown policy',
    { policy: 'nope' },
    NOT_FOUND,
    /^cannot check rate limit: the policy file has no policy "nope"; add it or use another name$/,
  ],
  ['a very long policy', { policy: 'p'.repeat(500) }, NOT_FOUND, /"p{64}"/],
  ['a negative cost', { cost: -1 }, INVALID_ARGUMENT, /^cost must be between 0 and 9007199254740991, got -1$/],
  [
    'a cost beyond 2^53',
    { cost: 2 ** 53 },
    INVALID_ARGUMENT,
    /^cost must be between 0 and 9007199254740991, got 9007199254740992$/,
  ],
  [
    'a negative delay',
    { maxDelayMs: -5 },
    INVALID_ARGUMENT,
    /^max_delay_ms must be between 0 and 9007199254740991, got -5$/,
  ],
  [
    'a delay beyond 2^53',
    { maxDelayMs: 2 ** 60 },
    INVALID_ARGUMENT,
    /^max_delay_ms must be between 0 and 9007199254740991, got 1152921504606847000$/,
  ],
  [
    'a delay without a leaky bucket',
    { ...inline({}), maxDelayMs: 5 },
    INVALID_ARGUMENT,
    /^max_delay_ms must be unset when no limit is a leaky bucket, got 5$/,
  ],
  ['request_id', { requestId: 'x' }, UNIMPLEMENTED, /request_id/],
  ['partial', { partial: true }, UNIMPLEMENTED, /partial/],
  ['reserve', { reserve: true }, UNIMPLEMENTED, /reserve/],
  ['reserve_ms', { reserveMs: 1 }, UNIMPLEMENTED, /reserve_ms/],
  [
    'on_failure with a policy',
    { onFailure: 1 },
    INVALID_ARGUMENT,
    /^on_failure must be unset when policy is set, got FAILURE_MODE_ALLOW$/,
  ],
  [
    'an unknown on_failure',
    { ...inline({}), onFailure: 9 as 1 },
    INVALID_ARGUMENT,
    /on_failure must be one of FAILURE_MODE_ALLOW, FAILURE_MODE_DENY, got 9$/,
  ],
  ['local on_failure', { ...inline({}), onFailure: 3 }, UNIMPLEMENTED, /FAILURE_MODE_LOCAL/],
  [
    '17 limits',
    { policy: '', limits: Array(17).fill(LIMIT) },
    INVALID_ARGUMENT,
    /^limits must be a list of at most 16 entries, got 17 entries$/,
  ],
  [
    'a name twice',
    { policy: '', limits: [LIMIT, LIMIT] },
    INVALID_ARGUMENT,
    /^limits\[1\]\.name must be different from the names of the other limits, got "a" twice$/,
  ],
  [
    'no name',
    inline({ name: '' }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.name must be 1 to 64 characters of \[A-Za-z0-9\._-\], got an empty name$/,
  ],
  [
    'a name with a space',
    inline({ name: 'a b' }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.name must be .*, got a name with other characters$/,
  ],
  [
    'a long name',
    inline({ name: 'a'.repeat(65) }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.name must be .*, got 65 characters$/,
  ],
  ['no algorithm', inline({ algorithm: 0 }), INVALID_ARGUMENT, served('limits[0].algorithm must be one of', ', got 0')],
  [
    'an unknown algorithm',
    inline({ algorithm: 77 as 1 }),
    INVALID_ARGUMENT,
    served('algorithm must be one of', ', got 77'),
  ],
  [
    'a concurrency limit',
    inline({ algorithm: 6 }),
    UNIMPLEMENTED,
    served('this version does not support limits[0].algorithm ALGORITHM_CONCURRENCY; use one of'),
  ],
  [
    'hold_ms of a window',
    inline({ holdMs: 5 }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.hold_ms must be unset for fixed_window, got 5$/,
  ],
  [
    'a burst of a window',
    inline({ burst: 10 }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.burst must be unset for fixed_window, got 10$/,
  ],
  ['a limit of 0', inline({ limit: 0 }), INVALID_ARGUMENT, /^limits\[0\]\.limit must be .*, got 0$/],
  [
    'a limit beyond 2^36',
    inline({ limit: 2 ** 36 + 1 }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.limit must be .*68719476736, got 68719476737$/,
  ],
  [
    'a log beyond 10,000',
    inline({ algorithm: 2, limit: 10_001 }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.limit must be .*10000, got 10001$/,
  ],
  ['no window', inline({ windowMs: 0 }), INVALID_ARGUMENT, /^limits\[0\]\.window_ms must be .*, got 0$/],
  [
    'a window beyond 400 days',
    inline({ windowMs: 34_560_000_001 }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.window_ms must be .*34560000000.*, got 34560000001$/,
  ],
  ['a burst of 0', inline({ algorithm: 4, burst: 0 }), INVALID_ARGUMENT, /^limits\[0\]\.burst must be .*, got 0$/],
  [
    'a bucket that never drains',
    inline({ algorithm: 5, limit: 1, windowMs: 34_560_000_000, burst: 2 ** 36 }),
    INVALID_ARGUMENT,
    /^limits\[0\]\.burst must be .*drains? within/,
  ],
];

function request(change: Partial<CheckRateLimitRequestOutput>): CheckRateLimitRequestOutput {
  const base = { policy: 'api', key: SECRET, requestId: '', partial: false, reserve: false, limits: [], onFailure: 0 };
  return { ...base, detail: false, peek: false, ...change } as CheckRateLimitRequestOutput;
}

async function refusal(call: () => unknown): Promise<{ code: number; message: string }> {
  try {
    await call();
  } catch (error) {
    if (error instanceof StatusError) {
      return error;
    }
    throw error;
  }
  throw new Error('cannot test the rejection: the call was accepted');
}

test.each(ROWS)('rejects %s', async (_what, change, code, text) => {
  const status = await refusal(() => service.handlers.CheckRateLimit(request(change), context));
  expect(status).toMatchObject({ code, message: expect.stringMatching(text) });
  expect(status.message).not.toContain(SECRET);
  const many = await service.handlers.CheckRateLimits({ checks: [request(change)] }, context);
  expect(many.results?.[0]?.error).toEqual({ code, message: status.message });
});

test.each([[0], [101]])('rejects %d checks in one call', async (count) => {
  const checks = Array.from({ length: count }, () => request({}));
  const status = await refusal(() => service.handlers.CheckRateLimits({ checks }, context));
  expect(status).toMatchObject({
    code: INVALID_ARGUMENT,
    message: expect.stringMatching(/^checks must be a list of 1 to 100 entries, got \d+ entries$/),
  });
});

test('accepts an unknown reservation id and rejects an empty one', async () => {
  expect(service.handlers.SettleRateLimit({ reservationId: 'x' }, context)).toEqual({ settled: false });
  for (const reservationId of ['', 'x'.repeat(201)]) {
    const status = await refusal(() => service.handlers.SettleRateLimit({ reservationId }, context));
    expect(status.code).toBe(INVALID_ARGUMENT);
  }
  const extended = await refusal(() => service.handlers.SettleRateLimit({ reservationId: 'x', extendMs: 5 }, context));
  expect(extended).toMatchObject({ code: UNIMPLEMENTED, message: expect.stringMatching(/extend_ms/) });
});

test('does not call the store after the deadline of the call', async () => {
  const late = { ...context, deadlineAtMs: clock.monotonicMs() };
  const status = await refusal(() => service.handlers.CheckRateLimit(request({}), late));
  expect(status.code).toBe(Status.DEADLINE_EXCEEDED);
});
