/**
 * Creates the services of a sidecar from its stores. This module is part of the composition root.
 */
import { createCacheService } from '../cache/service.ts';
import type { Settings } from '../config/load.ts';
import type { PolicySource } from '../config/policy-file.ts';
import { createReflectionServices } from '../grpc/reflection.ts';
import type { Service } from '../grpc/service-table.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createRateLimitService } from '../rate-limit/service.ts';
import { createSessionService } from '../session/service.ts';
import type { Stores } from './stores.ts';

export interface ServicesOptions {
  readonly settings: Settings;
  readonly stores: Stores;
  readonly policies: PolicySource;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Creates all services except the health service, which reports on the other services. */
export function createServices({
  settings,
  stores,
  policies,
  clock,
  metrics,
  log,
}: ServicesOptions): readonly Service[] {
  const near = { maxEntries: settings.maxNearCacheEntries, maxBytes: settings.maxNearCacheBytes };
  return [
    createRateLimitService({
      store: stores.rateLimit,
      policies,
      scope: settings.scope,
      hashSubjects: settings.hashSubjects,
      clock,
      metrics,
      log,
    }),
    createSessionService({
      store: stores.session,
      policies,
      clock,
      metrics: {
        evicted: (count) => metrics.sessionsEvicted(count),
        loginRefused: () => metrics.sessionLoginRefused(),
      },
    }),
    createCacheService({
      store: stores.cache,
      createSubscriber: stores.createSubscriber,
      channelNames: stores.channelNames,
      ...(stores.kind === 'redis' ? { near } : {}),
      policies,
      clock,
      metrics: {
        nearHit: (namespace) => metrics.nearHit(namespace),
        read: (outcome, source) => metrics.cacheRead(outcome, source),
        bucketFlushed: (cause) => metrics.bucketFlushed(cause),
      },
      maxValueBytes: settings.maxCacheValueBytes,
    }),
    ...createReflectionServices(),
  ];
}
