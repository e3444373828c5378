/**
 * What the cache counts. Label values are bounded: outcomes, sources and causes are closed sets, a namespace is one of
 * the policy file's or `(other)`.
 */
import type { FlushCause } from '../near/bus.ts';

type ReadOutcomeLabel = 'hit' | 'absent' | 'miss' | 'skipped' | 'unavailable';

export interface CacheMetrics {
  /** A read that was answered from a near copy; it counts as `read(..., 'near')` as well. */
  nearHit(namespaceLabel: string): void;
  read(outcome: ReadOutcomeLabel, source: 'near' | 'store'): void;
  /** A bucket of near copies or watches was voided whole. Cause `gap` means that messages were missed. */
  bucketFlushed(cause: FlushCause): void;
}

export const OTHER_NAMESPACE_LABEL = '(other)';
