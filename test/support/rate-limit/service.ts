/**
 * Creates a rate limit service for tests. The test controls the store and the clock of the service. This module
 * provides default request fields and records the calls to the store, the metrics and the log.
 */
import {
  type BrokenParts,
  DEFAULT_POLICY_FILE,
  type LimitSpec,
  type PolicySpec,
} from '../../../src/config/policy-file.ts';
import type { CheckRateLimitRequestOutput } from '../../../src/grpc/generated/pannier/v1/CheckRateLimitRequest.ts';
import type { CheckRateLimitResponse } from '../../../src/grpc/generated/pannier/v1/CheckRateLimitResponse.ts';
import type { CallContext } from '../../../src/grpc/method.ts';
import { MemoryRateLimitStore } from '../../../src/rate-limit/memory-store.ts';
import { createRateLimitService, type RateLimitService } from '../../../src/rate-limit/service.ts';
import type { RateLimitStore, TakeRequest } from '../../../src/rate-limit/store.ts';
import { FakeClock } from '../lib/fake-clock.ts';

/** Builds a limit of ten units per minute, with `change` applied. */
export function testLimit(name: string, change: Partial<LimitSpec> = {}): LimitSpec {
  return { name, algorithm: 'fixed_window', limit: 10, windowMs: 60_000, burst: 10, ...change };
}

export function testPolicy(
  name: string,
  limits: readonly LimitSpec[],
  change: Partial<PolicySpec> = {},
): [string, PolicySpec] {
  return [name, { name, limits, onFailure: 'allow', shared: false, hashSubjects: false, ...change }];
}

export interface ServiceWorld {
  readonly clock: FakeClock;
  readonly service: RateLimitService;
  /** Decisions that the metrics have counted so far. */
  readonly decisions: string[];
  readonly asked: TakeRequest[];
  /** Fields of the error lines in the log. */
  readonly errorLines: object[];
}

export interface ServiceWorldOptions {
  /** Store of the service; a memory store by default. */
  readonly store?: (clock: FakeClock) => RateLimitStore;
  readonly scope?: string;
  readonly policies: ReadonlyMap<string, PolicySpec>;
  /** Errors of the policy file. */
  readonly broken?: BrokenParts;
}

export function createServiceWorld(options: ServiceWorldOptions): ServiceWorld {
  const clock = new FakeClock();
  const inner = options.store?.(clock) ?? new MemoryRateLimitStore({ clock, maxEntries: 100, maxBytes: 1_000_000 });
  const decisions: string[] = [];
  const asked: TakeRequest[] = [];
  const errorLines: object[] = [];
  const store: RateLimitStore = {
    take: (request, deadlineAtMs) => {
      asked.push(request);
      return inner.take(request, deadlineAtMs);
    },
    give: (request, deadlineAtMs) => inner.give(request, deadlineAtMs),
    reset: (key, limits, deadlineAtMs) => inner.reset(key, limits, deadlineAtMs),
  };
  const { policies, broken } = options;
  const file = { ...DEFAULT_POLICY_FILE, policies, ...(broken === undefined ? {} : { broken }) };
  const service = createRateLimitService({
    store,
    policies: { current: () => file },
    scope: options.scope ?? 'team',
    clock,
    metrics: {
      decision: (name = '(inline)', outcome) => decisions.push(`${name} ${outcome}`),
      denial: (name, limit) => decisions.push(`${name} denied by ${limit}`),
      peek: (name = '(inline)', decidedBy) => decisions.push(`${name} peek by ${decidedBy}`),
      unknownPolicy: () => decisions.push('unknown policy'),
    },
    log: { error: (fields) => errorLines.push(fields) },
  });
  return { clock, service, decisions, asked, errorLines };
}

export function serviceContext(clock: FakeClock, leftMs = 1_000): CallContext {
  return {
    deadlineAtMs: clock.monotonicMs() + leftMs,
    metadata: () => undefined,
    binaryMetadata: () => undefined,
    answerWith: () => undefined,
    isOver: () => false,
    onOver: () => undefined,
  };
}

/** Decoded request in which only the key is set. */
export const CHECK_DEFAULTS: CheckRateLimitRequestOutput = {
  policy: '',
  key: 'subject',
  requestId: '',
  partial: false,
  reserve: false,
  limits: [],
  onFailure: 0,
  detail: false,
  peek: false,
};

export async function checkWith(
  { service, clock }: Pick<ServiceWorld, 'service' | 'clock'>,
  change: Partial<CheckRateLimitRequestOutput>,
): Promise<CheckRateLimitResponse> {
  return await service.handlers.CheckRateLimit({ ...CHECK_DEFAULTS, ...change }, serviceContext(clock));
}
