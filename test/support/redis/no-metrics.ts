/**
 * Provides Redis metrics that count nothing, for tests that do not read metrics.
 */
import type { RedisMetrics } from '../../../src/redis/options.ts';

export const noRedisMetrics: RedisMetrics = {
  roundTrip: () => undefined,
  commandError: () => undefined,
  reconnected: () => undefined,
  connectionLost: () => undefined,
  valueDamaged: () => undefined,
};
