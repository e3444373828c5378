/**
 * Makes the calls that need Redis permissions, and returns their outcomes. The calls use a sidecar's services in this
 * process without a transport.
 */
import { RedisCacheStore } from '../../../src/cache/redis-store.ts';
import { type CacheService, createCacheService } from '../../../src/cache/service.ts';
import { DEFAULT_POLICY_FILE, type PolicyFile } from '../../../src/config/policy-file.ts';
import { errorStatus } from '../../../src/grpc/error-status.ts';
import { statusName } from '../../../src/grpc/status.ts';
import { systemClock as clock } from '../../../src/lib/clock.ts';
import type { Logger } from '../../../src/lib/logger.ts';
import { RedisRateLimitStore } from '../../../src/rate-limit/redis-store.ts';
import { createRateLimitService } from '../../../src/rate-limit/service.ts';
import { createKeyspace } from '../../../src/redis/keyspace.ts';
import type { Redis } from '../../../src/redis/redis.ts';
import { RedisSessionStore } from '../../../src/session/redis-store.ts';
import { createSessionService } from '../../../src/session/service.ts';
import { callContext, getRequest, invalidateRequest, setRequest } from '../cache/requests.ts';
import { noSessionMetrics } from '../session/no-metrics.ts';
import { openRedis, PATIENT } from './client.ts';

export const PREFIX = 'test:';
const keyspace = createKeyspace(PREFIX);

interface Login {
  readonly username: string;
  readonly password: string;
}

export interface Ending {
  /**
   * Outcome of the call, which is `OK` or a status. Calls for limits may also return `FAILURE_MODE`, and reads of the
   * cache may also return `CACHE_UNAVAILABLE`.
   */
  readonly status: string;
  readonly text: string;
  readonly retryPushbackMs: number | undefined;
}

export interface PermissionCalls {
  readonly state: Redis;
  readonly cache: Redis;
  readonly values: CacheService;
  createSession(userId: string): Promise<unknown>;
  /** Calls by name, in the order in which they are made. */
  readonly calls: ReadonlyMap<string, () => Promise<Ending>>;
  call(name: string): Promise<Ending>;
  close(): void;
}

export interface PermissionCallsOptions {
  /** Login of the connections. If unset, the default user is used. */
  readonly login?: Login;
  /** Log of the probes. If unset, permissions are not probed, as if the first probe had not ended yet. */
  readonly log?: Logger;
}

const POLICIES: PolicyFile = {
  ...DEFAULT_POLICY_FILE,
  cacheNamespaces: new Map([['n', { ttlMs: 60_000, near: true }]]),
};
const policies = { current: () => POLICIES };
const DECIDED_BY_STORE = 1;
const OUTCOME_UNAVAILABLE = 5;
const FIXED_WINDOW = 1;
const SLIDING_WINDOW_LOG = 2;

const LIMIT = { limit: 5, windowMs: 60_000, holdMs: 0 };
const CHECK = {
  policy: '',
  requestId: '',
  partial: false,
  reserve: false,
  onFailure: 0,
  detail: false,
  peek: false,
} as const;

/**
 * Opens the services. Each call uses separate keys, so each call creates its keys regardless of its position in the
 * order.
 */
export async function openPermissionCalls(
  urls: string,
  { login, log }: PermissionCallsOptions = {},
): Promise<PermissionCalls> {
  async function open(area: 'state' | 'cache'): Promise<Redis> {
    const access = login === undefined ? {} : { credentials: async () => login };
    const probing = log === undefined ? {} : { log, permissions: { area, prefix: PREFIX } };
    return await openRedis(urls, { role: area, ...PATIENT, ...access, ...probing });
  }
  const state = await open('state');
  const cache = await open('cache');
  const rateLimit = createRateLimitService({
    store: new RedisRateLimitStore({ redis: state, keyspace }),
    policies,
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
  const sessions = createSessionService({
    store: new RedisSessionStore({ commands: state, keyspace }),
    policies,
    clock,
    metrics: noSessionMetrics,
  });
  const values = createCacheService({
    maxValueBytes: 1_048_576,
    store: new RedisCacheStore({ commands: cache, keyspace }),
    createSubscriber: (listener) => cache.createSubscriber(listener),
    channelNames: keyspace,
    near: { maxEntries: 1_000, maxBytes: 1_000_000 },
    policies,
    clock,
    metrics: { nearHit: () => undefined, read: () => undefined, bucketFlushed: () => undefined },
  });

  let sessionId = 'unknown';
  const create = async (userId: string) => {
    const data = { a: Buffer.from('1') };
    const response = await sessions.handlers.CreateSession({ userId, data, labels: {}, sessionId: '' }, callContext());
    sessionId = String(response.session?.sessionId);
    return response;
  };
  const check = (key: string, algorithms: readonly (1 | 2)[], cost = 1) => {
    const limits = algorithms.map((algorithm, index) => ({ ...LIMIT, name: `l${index}`, algorithm }));
    return rateLimit.handlers.CheckRateLimit({ ...CHECK, key, limits, cost }, callContext());
  };
  const set = (key: string, tags: string[] = []) =>
    values.handlers.CacheSet(setRequest({ key: Buffer.from(key), tags }), callContext());

  const calls = new Map<string, () => Promise<Ending>>();
  const add = (name: string, action: () => unknown) => calls.set(name, () => endingOf(action));
  add('CheckRateLimit', () => check('one', [FIXED_WINDOW]));
  add('CheckRateLimit of two', () => check('two', [FIXED_WINDOW, FIXED_WINDOW]));
  add('CheckRateLimit of a log', () => check('log', [SLIDING_WINDOW_LOG]));
  add('CheckRateLimit that peeks', () => check('one', [FIXED_WINDOW], 0));
  add('ResetRateLimit', () => {
    const limits = [{ ...LIMIT, name: 'l0', algorithm: FIXED_WINDOW } as const];
    return rateLimit.handlers.ResetRateLimit({ policy: '', key: 'one', limits }, callContext());
  });
  add('CreateSession', () => create('a'));
  add('CreateSession without a user', () => create(''));
  add('CreateSession again', () => create('a'));
  add('GetSession', () => sessions.handlers.GetSession({ sessionId, peek: false }, callContext()));
  add('UpdateSession', () =>
    sessions.handlers.UpdateSession(
      { sessionId, set: { a: Buffer.from('2') }, remove: ['b'], absoluteTtlMs: 90_000 },
      callContext(),
    ),
  );
  add('RotateSession', () =>
    sessions.handlers.RotateSession({ sessionId, userId: 'b', set: {}, remove: ['a'] }, callContext()),
  );
  add('ListUserSessions', () => sessions.handlers.ListUserSessions({ userId: 'a' }, callContext()));
  add('DeleteSession', () => sessions.handlers.DeleteSession({ sessionId, handle: '' }, callContext()));
  add('DeleteUserSessions', () =>
    sessions.handlers.DeleteUserSessions({ userId: 'a', exceptSessionId: '' }, callContext()),
  );
  add('CacheSet', () => set('plain'));
  add('CacheSet with tags', () => set('tagged', ['t', 'u']));
  add('CacheSet with tags again', () => set('tagged again', ['t', 'u']));
  add('CacheGet', () =>
    values.handlers.CacheGet(getRequest({ key: Buffer.from('plain'), fresh: true }), callContext()),
  );
  add('CacheGet with tags', () => values.handlers.CacheGet(getRequest({ key: Buffer.from('tagged') }), callContext()));
  add('CacheInvalidate a key', () =>
    values.handlers.CacheInvalidate(invalidateRequest({ keys: [Buffer.from('other')] }), callContext()),
  );
  add('CacheInvalidate a tag', () =>
    values.handlers.CacheInvalidate(invalidateRequest({ tags: ['v'] }), callContext()),
  );
  add('CacheInvalidate all', () =>
    values.handlers.CacheInvalidate(invalidateRequest({ namespace: 'm', all: true }), callContext()),
  );

  return {
    state,
    cache,
    values,
    createSession: create,
    calls,
    call: async (name) => (await calls.get(name)?.()) as Ending,
    close: () => {
      values.close();
      state.close();
      cache.close();
    },
  };
}

/** Returns the outcome of a call. */
export async function endingOf(action: () => unknown): Promise<Ending> {
  try {
    const answer = (await action()) as { decidedBy?: number; outcome?: number } | undefined;
    const isByFailureMode = answer?.decidedBy !== undefined && answer.decidedBy !== DECIDED_BY_STORE;
    const isUnavailable = answer?.outcome === OUTCOME_UNAVAILABLE;
    const status = isByFailureMode ? 'FAILURE_MODE' : isUnavailable ? 'CACHE_UNAVAILABLE' : 'OK';
    return { status, text: '', retryPushbackMs: undefined };
  } catch (error) {
    const { code, message, retryPushbackMs } = errorStatus(error, { error: () => undefined }, undefined);
    return { status: statusName(code), text: message, retryPushbackMs };
  }
}
