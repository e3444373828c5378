/**
 * Metrics of the limit of live sessions per user.
 */
export interface SessionMetrics {
  /** Counts sessions that were ended to admit a login. */
  evicted(count: number): void;
  loginRefused(): void;
}
