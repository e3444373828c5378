/**
 * The series of rate limits: decisions, denials by limit, peeks, and calls that name a policy that does not exist.
 *
 * Promises:
 *   1. Label values are policies and limits of the policy file in force, and INLINE_POLICY: never what callers send.
 *   2. A policy or a limit that is gone takes its series with it.
 */
import type { Counter } from 'prom-client';
import { METRICS, type MetricRow } from './metric-table.ts';

const INLINE_POLICY = '(inline)';

/** The limits of each policy in force. */
export type LimitsByPolicy = ReadonlyMap<string, { readonly limits: readonly { readonly name: string }[] }>;

/** A policy of undefined stands for limits that callers give. */
export interface RateLimitSeries {
  decision(policy: string | undefined, outcome: string): void;
  denial(policy: string, limit: string): void;
  peek(policy: string | undefined, decidedBy: string): void;
  unknownPolicy(): void;
  setPolicies(policies: LimitsByPolicy): void;
}

/** One family of series whose first label is the policy, the second one of a bounded set for each policy. */
interface Family {
  count(policy: string, value: string): void;
  /** Removes what is not in force any more. */
  prune(): void;
}

export function createRateLimitMetrics(counter: (row: MetricRow) => Counter): RateLimitSeries {
  let inForce: LimitsByPolicy = new Map();
  const isPolicy = (policy: string): boolean => policy === INLINE_POLICY || inForce.has(policy);
  const isLimit = (policy: string, limit: string): boolean =>
    inForce.get(policy)?.limits.some(({ name }) => name === limit) ?? false;

  function family(row: MetricRow, isKept: (policy: string, value: string) => boolean): Family {
    const [first = '', second = ''] = row.labels;
    const series = counter(row);
    const handles = new Map<string, Counter.Internal>();
    return {
      count: (policy, value) => {
        const id = `${policy} ${value}`;
        let handle = handles.get(id);
        if (handle === undefined) {
          if (!isKept(policy, value)) {
            // A call that was in flight while its policy was removed.
            return;
          }
          handle = series.labels({ [first]: policy, [second]: value });
          handles.set(id, handle);
        }
        handle.inc();
      },
      prune: () => {
        for (const id of handles.keys()) {
          const [policy = '', value = ''] = id.split(' ');
          if (!isKept(policy, value)) {
            handles.delete(id);
            series.remove({ [first]: policy, [second]: value });
          }
        }
      },
    };
  }

  const decisions = family(METRICS.decisions, isPolicy);
  const denials = family(METRICS.denials, isLimit);
  const peeks = family(METRICS.peeks, isPolicy);
  const unknownPolicyCalls = counter(METRICS.unknownPolicyCalls);
  return {
    decision: (policy = INLINE_POLICY, outcome) => decisions.count(policy, outcome),
    denial: (policy, limit) => denials.count(policy, limit),
    peek: (policy = INLINE_POLICY, decidedBy) => peeks.count(policy, decidedBy),
    unknownPolicy: () => unknownPolicyCalls.inc(),
    setPolicies: (policies) => {
      inForce = policies;
      for (const each of [decisions, denials, peeks]) {
        each.prune();
      }
    },
  };
}
