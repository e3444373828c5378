/**
 * Lists the keys and the words of a policy file. The parser (policies.ts) and the schema of the chart
 * (scripts/chart-policies-schema.ts) are derived from these tables.
 */
import type { AlgorithmName, AtUserLimit, FailureModeName } from './policy-file.ts';
import type { KeyTable } from './yaml-reader.ts';

export const MAX_POLICIES = 1_000;
export const MAX_NAMESPACES = 1_000;

export const ALGORITHM_NAMES: readonly AlgorithmName[] = [
  'fixed_window',
  'sliding_window_log',
  'sliding_window_counter',
  'token_bucket',
  'leaky_bucket',
];
export const BUCKETS: readonly AlgorithmName[] = ['token_bucket', 'leaky_bucket'];
export const FAILURE_MODES: readonly FailureModeName[] = ['allow', 'deny'];
export const AT_USER_LIMIT: readonly AtUserLimit[] = ['evict', 'refuse'];

const NOT_SERVED = 'must be absent because this version does not support it';

export const TOP_KEYS = { known: ['policies', 'cache', 'sessions'] } as const satisfies KeyTable;
export const POLICY_KEYS = {
  known: ['limits', 'on_failure', 'shared', 'hash_subjects'],
  notYet: { shadow: NOT_SERVED, durability: NOT_SERVED, leases: NOT_SERVED },
} as const satisfies KeyTable;
export const LIMIT_KEYS = {
  known: ['name', 'algorithm', 'limit', 'per', 'burst'],
  notYet: { hold: NOT_SERVED },
} as const satisfies KeyTable;
export const NAMESPACE_KEYS = {
  known: ['ttl', 'near'],
  notYet: { stale: NOT_SERVED, negative_ttl: NOT_SERVED },
} as const satisfies KeyTable;
export const SESSION_KEYS = {
  known: ['idle', 'absolute', 'max_per_user', 'at_max_per_user'],
} as const satisfies KeyTable;
