/**
 * What the limit of live sessions per user counts.
 */
export interface SessionMetrics {
  /** Sessions that ended to make room for a login. */
  evicted(count: number): void;
  loginRefused(): void;
}
