/**
 * Provides cache metrics that count nothing, for tests that do not read metrics.
 */
import type { CacheMetrics } from '../../../src/cache/metrics.ts';

export const noCacheMetrics: CacheMetrics = {
  nearHit: () => {},
  read: () => {},
  bucketFlushed: () => {},
};
