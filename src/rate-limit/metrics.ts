/**
 * Metrics of RateLimitService: decisions, denials by limit, peeks, and calls that name an unknown policy.
 *
 * Invariants:
 *   1. A `policy` is a name from the policy file, or undefined for inline limits. A `policy` is never a string that a
 *      caller chose.
 */
export type DecisionOutcome = 'allowed' | 'denied' | 'failure_allowed' | 'failure_denied';

export interface RateLimitMetrics {
  /** Counts a check that is not a peek. */
  decision(policy: string | undefined, outcome: DecisionOutcome): void;
  /** Counts a denial, labeled with the limit that the response names. */
  denial(policy: string, limit: string): void;
  peek(policy: string | undefined, decidedBy: 'store' | 'failure_mode'): void;
  unknownPolicy(): void;
}
