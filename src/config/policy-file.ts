/**
 * Defines the data model of a policy file, and the rules that a limit must satisfy. The module config/policies.ts
 * creates PolicyFile objects. Rate limits, sessions and the cache read these objects.
 *
 * Invariant: a PolicyFile is immutable. A reload creates a new PolicyFile, which replaces the old object as a whole.
 */

export type AlgorithmName =
  | 'fixed_window'
  | 'sliding_window_log'
  | 'sliding_window_counter'
  | 'token_bucket'
  | 'leaky_bucket';

export interface LimitSpec {
  /** Name of 1 to 64 characters of [A-Za-z0-9._-], unique in its policy. */
  readonly name: string;
  readonly algorithm: AlgorithmName;
  /** Units per window (the rate of a bucket), from 1 to 2^36; at most 10,000 for a sliding log. */
  readonly limit: number;
  /** Length of the window, from 1 ms to 400 days. */
  readonly windowMs: number;
  /** Size of a bucket in units, from 1 to 2^36. For the window algorithms, the size equals `limit`. */
  readonly burst: number;
}

/** Decision about a call while the store is unavailable: fail open (`allow`) or fail closed (`deny`). */
export type FailureModeName = 'allow' | 'deny';

export interface PolicySpec {
  readonly name: string;
  /** Limits of the policy, from 1 to 16. */
  readonly limits: readonly LimitSpec[];
  readonly onFailure: FailureModeName;
  /** Whether all scopes share one count. */
  readonly shared: boolean;
  /** Whether the store receives hashes instead of subjects. */
  readonly hashSubjects: boolean;
}

export interface NamespaceSpec {
  /** Lifetime, in ms, of a value whose CacheSet request contains no lifetime. */
  readonly ttlMs: number;
  /** Whether the near cache keeps entries of this namespace. */
  readonly near: boolean;
}

export interface SessionSpec {
  readonly idleTtlMs: number;
  readonly absoluteTtlMs: number;
  /** Limit on live sessions per user; unset means no limit. */
  readonly userLimit?: UserLimit;
}

/**
 * Effect of a login by a user who has reached the limit: `evict` ends the oldest session, `refuse` rejects the login.
 */
export type AtUserLimit = 'evict' | 'refuse';

export interface UserLimit {
  /** Maximum number of live sessions per user, from 1 to MAX_SESSIONS_PER_USER. */
  readonly maxSessions: number;
  readonly atLimit: AtUserLimit;
}

/**
 * Errors of the parts of a policy file that cannot be used. If a part has an error, the file has no valid version of
 * this part.
 */
export interface BrokenParts<Problem = string> {
  readonly policies: ReadonlyMap<string, Problem>;
  /** Error that may concern any policy which the file does not list, such as a misspelt `policies`. */
  readonly otherPolicies: Problem | undefined;
  readonly cacheNamespaces: ReadonlyMap<string, Problem>;
  /** Error of the values that apply to namespaces without an entry. */
  readonly cacheDefault: Problem | undefined;
  readonly sessions: Problem | undefined;
}

export interface PolicyFile {
  readonly policies: ReadonlyMap<string, PolicySpec>;
  /** Settings of every namespace that `cacheNamespaces` does not list. */
  readonly cacheDefault: NamespaceSpec;
  readonly cacheNamespaces: ReadonlyMap<string, NamespaceSpec>;
  readonly sessions: SessionSpec;
  /** Errors with their positions in the file (`FILE:LINE:COLUMN: message`). Unset if no part has an error. */
  readonly broken?: BrokenParts;
}

/** Errors that keep the last content of the policy file, or parts of it, from taking effect. */
export interface PolicyFileProblems {
  /** Number of parts that do not take effect; 1 if the content cannot be read or parsed. */
  readonly count: number;
  /** Errors with their positions, at most 100. */
  readonly texts: readonly string[];
}

/** Provides the current policy file. Services request the file for every call, so that a reload takes effect. */
export interface PolicySource {
  current(): PolicyFile;
  /** Returns the errors of the last content of the file. A source without a file has no errors. */
  problems?(): PolicyFileProblems;
}

/** Policy file that applies if there is no file. */
export const DEFAULT_POLICY_FILE: PolicyFile = {
  policies: new Map(),
  cacheDefault: { ttlMs: 3_600_000, near: false },
  cacheNamespaces: new Map(),
  sessions: { idleTtlMs: 1_800_000, absoluteTtlMs: 43_200_000 },
};

export const NO_PROBLEMS: PolicyFileProblems = { count: 0, texts: [] };

/** Returns the error because of which a policy that is not in `file.policies` cannot be used. */
export function policyProblem({ broken }: PolicyFile, name: string): string | undefined {
  return broken?.policies.get(name) ?? broken?.otherPolicies;
}

/** Returns the error because of which the settings of a cache namespace are unknown. */
export function namespaceProblem({ broken, cacheNamespaces }: PolicyFile, namespace: string): string | undefined {
  if (broken === undefined || cacheNamespaces.has(namespace)) {
    return undefined;
  }
  return broken.cacheNamespaces.get(namespace) ?? broken.cacheDefault;
}

/** Matches the names of policies, limits, scopes and namespaces. */
export const NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
/** Completes "must be …". */
export const NAME_FORM = '1 to 64 characters of [A-Za-z0-9._-]';

export const MAX_LIMIT = 2 ** 36;
export const MAX_WINDOW_MS = 400 * 86_400_000;
export const MAX_SLIDING_LOG_LIMIT = 10_000;
export const MAX_LIMITS_PER_POLICY = 16;
/**
 * Maximum time that a bucket takes to drain. With a longer time, the level and the TTL of the bucket could no longer be
 * computed as exact integers.
 */
const MAX_DRAIN_MS = 2 ** 42;
export const MAX_SESSION_TTL_MS = 30 * 86_400_000;
/** Equals MAX_LISTED_SESSIONS, because the store enforces the limit with the user's list of sessions. */
export const MAX_SESSIONS_PER_USER = 1_000;
export const MAX_CACHE_TTL_MS = 30 * 86_400_000;

export interface LimitProblem {
  readonly field: 'name' | 'limit' | 'windowMs' | 'burst';
  /** Completes "got …". */
  readonly found: string;
  /** Completes "must be …". */
  readonly accepted: string;
}

/** A limit whose numbers have not been validated. */
export type LimitCandidate = Omit<LimitSpec, 'limit' | 'windowMs' | 'burst'> & {
  readonly [field in 'limit' | 'windowMs' | 'burst']: number | bigint;
};

/**
 * Returns the first invalid field of a limit, or undefined if the limit is valid. The same rules apply to the policy
 * file and to limits in a call.
 */
export function findLimitProblem(spec: LimitCandidate): LimitProblem | undefined {
  if (!NAME_PATTERN.test(spec.name)) {
    return { field: 'name', found: JSON.stringify(spec.name), accepted: NAME_FORM };
  }
  const maxLimit = spec.algorithm === 'sliding_window_log' ? MAX_SLIDING_LOG_LIMIT : MAX_LIMIT;
  if (!isIntegerWithin(spec.limit, 1, maxLimit)) {
    return { field: 'limit', found: String(spec.limit), accepted: `an integer from 1 to ${maxLimit}` };
  }
  if (!isIntegerWithin(spec.windowMs, 1, MAX_WINDOW_MS)) {
    return {
      field: 'windowMs',
      found: String(spec.windowMs),
      accepted: `between 1 and ${MAX_WINDOW_MS} milliseconds (400 days)`,
    };
  }
  if (!isIntegerWithin(spec.burst, 1, MAX_LIMIT)) {
    return { field: 'burst', found: String(spec.burst), accepted: `an integer from 1 to ${MAX_LIMIT}` };
  }
  // The rounding error of the division is harmless, because the bound is far below the largest exact integer.
  if ((spec.burst / spec.limit) * spec.windowMs > MAX_DRAIN_MS) {
    return {
      field: 'burst',
      found: String(spec.burst),
      accepted: `small enough to drain within ${MAX_DRAIN_MS} milliseconds at this rate`,
    };
  }
  return undefined;
}

function isIntegerWithin(value: number | bigint, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
