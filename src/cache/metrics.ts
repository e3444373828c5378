/**
 * Contract for the metrics of the cache.
 *
 * Invariant: the number of label values is bounded. Outcomes, sources and causes are fixed sets. The label of a
 * namespace is a name from the policy file or `(other)`.
 */
import type { FlushCause } from '../near/bus.ts';

type ReadOutcomeLabel = 'hit' | 'absent' | 'miss' | 'skipped' | 'unavailable';

export interface CacheMetrics {
  /** Counts a read that the near cache answered. The caller also counts the read with `read(…, 'near')`. */
  nearHit(namespaceLabel: string): void;
  read(outcome: ReadOutcomeLabel, source: 'near' | 'store'): void;
  /**
   * Counts the invalidation of a whole bucket of a near cache or a watch. Cause `gap` means that messages are missing.
   */
  bucketFlushed(cause: FlushCause): void;
}

export const OTHER_NAMESPACE_LABEL = '(other)';
