/**
 * Session metrics that count nothing, for tests that do not read them.
 */
import type { SessionMetrics } from '../../../src/session/metrics.ts';

export const noSessionMetrics: SessionMetrics = {
  evicted: () => {},
  loginRefused: () => {},
};
