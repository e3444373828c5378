/**
 * What RateLimitService counts: decisions, denials by limit, peeks, and calls that name a policy that does not exist.
 *
 * A policy is the name of one in the policy file, or undefined for limits that callers give: never what callers send.
 */
export type DecisionOutcome = 'allowed' | 'denied' | 'failure_allowed' | 'failure_denied';

export interface RateLimitMetrics {
  /** A check that is no peek. */
  decision(policy: string | undefined, outcome: DecisionOutcome): void;
  /** The limit that the answer names. */
  denial(policy: string, limit: string): void;
  peek(policy: string | undefined, decidedBy: 'store' | 'failure_mode'): void;
  unknownPolicy(): void;
}
