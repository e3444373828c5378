/**
 * Metrics of rate limits: decisions, denials by limit, peeks, and calls that name an unknown policy.
 *
 * Invariants:
 *   1. Label values are the policies and limits of the current policy file, and INLINE_POLICY. A caller cannot choose a
 *      label value.
 *   2. A reload that removes a policy or a limit also removes its series.
 */
import type { Counter } from 'prom-client';
import { METRICS, type MetricRow } from './metric-table.ts';

const INLINE_POLICY = '(inline)';

/** Limits of each current policy. */
export type LimitsByPolicy = ReadonlyMap<string, { readonly limits: readonly { readonly name: string }[] }>;

/** Records rate-limit metrics. The argument `policy` is undefined for calls with inline limits. */
export interface RateLimitSeries {
  decision(policy: string | undefined, outcome: string): void;
  denial(policy: string, limit: string): void;
  peek(policy: string | undefined, decidedBy: string): void;
  unknownPolicy(): void;
  setPolicies(policies: LimitsByPolicy): void;
}

/** Series whose first label is the policy. For each policy, the number of values of the second label is bounded. */
interface Family {
  count(policy: string, value: string): void;
  /** Removes the series of policies and limits that no longer exist. */
  prune(): void;
}

export function createRateLimitMetrics(counter: (row: MetricRow) => Counter): RateLimitSeries {
  let current: LimitsByPolicy = new Map();
  const isPolicy = (policy: string): boolean => policy === INLINE_POLICY || current.has(policy);
  const isLimit = (policy: string, limit: string): boolean =>
    current.get(policy)?.limits.some(({ name }) => name === limit) ?? false;

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
            // A reload removed the policy or the limit while this call was in flight.
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
      current = policies;
      for (const each of [decisions, denials, peeks]) {
        each.prune();
      }
    },
  };
}
