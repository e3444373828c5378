/**
 * What a policy file says, as data: the model that config/policies.ts reads it into and the capability rooms live on.
 *
 * All of it is immutable: a reload makes a new PolicyFile and replaces the old one whole.
 */

export type AlgorithmName =
  | 'fixed_window'
  | 'sliding_window_log'
  | 'sliding_window_counter'
  | 'token_bucket'
  | 'leaky_bucket';

export interface LimitSpec {
  /** 1 to 64 of [A-Za-z0-9._-]; unique in its policy. */
  readonly name: string;
  readonly algorithm: AlgorithmName;
  /** Units per window (the rate of a bucket), 1 to 2^36; a sliding log at most 10,000. */
  readonly limit: number;
  /** 1 ms to 400 days. */
  readonly windowMs: number;
  /** Size of a bucket, units, 1 to 2^36; equals `limit` for the windowed algorithms. */
  readonly burst: number;
}

/** What decides when the store cannot. */
export type FailureModeName = 'allow' | 'deny';

export interface PolicySpec {
  readonly name: string;
  /** 1 to 16. */
  readonly limits: readonly LimitSpec[];
  readonly onFailure: FailureModeName;
  /** True: counted together for all scopes. */
  readonly shared: boolean;
  /** True: the subjects are stored by their hash. */
  readonly hashSubjects: boolean;
}

export interface NamespaceSpec {
  /** Life of a value whose CacheSet names none, ms. */
  readonly ttlMs: number;
  /** Whether sidecars keep near copies. */
  readonly near: boolean;
}

export interface SessionSpec {
  readonly idleTtlMs: number;
  readonly absoluteTtlMs: number;
  /** Unset: a user may have any number of live sessions. */
  readonly userLimit?: UserLimit;
}

/** What a login does when its user has as many live sessions as are allowed. */
export type AtUserLimit = 'evict' | 'refuse';

export interface UserLimit {
  /** Live sessions per user, 1 to MAX_SESSIONS_PER_USER. */
  readonly maxSessions: number;
  readonly atLimit: AtUserLimit;
}

export interface PolicyFile {
  readonly policies: ReadonlyMap<string, PolicySpec>;
  /** Of every namespace that is not listed. */
  readonly cacheDefault: NamespaceSpec;
  readonly cacheNamespaces: ReadonlyMap<string, NamespaceSpec>;
  readonly sessions: SessionSpec;
}

/** Where the current file is to be had; asks anew for every call, so that a reload takes effect. */
export interface PolicySource {
  current(): PolicyFile;
}

/** What holds without a file. */
export const DEFAULT_POLICY_FILE: PolicyFile = {
  policies: new Map(),
  cacheDefault: { ttlMs: 3_600_000, near: false },
  cacheNamespaces: new Map(),
  sessions: { idleTtlMs: 1_800_000, absoluteTtlMs: 43_200_000 },
};

/** Names of policies, limits, scopes and namespaces. */
export const NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;

export const MAX_LIMIT = 2 ** 36;
export const MAX_WINDOW_MS = 400 * 86_400_000;
export const MAX_SLIDING_LOG_LIMIT = 10_000;
export const MAX_LIMITS_PER_POLICY = 16;
/** A bucket that takes longer than this to drain is refused: its arithmetic and its TTL would leave the exact range. */
const MAX_DRAIN_MS = 2 ** 42;
export const MAX_SESSION_TTL_MS = 30 * 86_400_000;
/** The list of a user knows no more sessions (MAX_LISTED_SESSIONS). */
export const MAX_SESSIONS_PER_USER = 1_000;
export const MAX_CACHE_TTL_MS = 30 * 86_400_000;

export interface LimitProblem {
  readonly field: 'name' | 'limit' | 'windowMs' | 'burst';
  readonly found: string;
  readonly accepted: string;
}

/** A limit as it was given: its numbers may be anything. */
export type LimitCandidate = Omit<LimitSpec, 'limit' | 'windowMs' | 'burst'> & {
  readonly [field in 'limit' | 'windowMs' | 'burst']: number | bigint;
};

/** What is wrong with a limit, or undefined. The same rules for the policy file and for limits that callers give. */
export function findLimitProblem(spec: LimitCandidate): LimitProblem | undefined {
  if (!NAME_PATTERN.test(spec.name)) {
    return { field: 'name', found: JSON.stringify(spec.name), accepted: '1 to 64 of [A-Za-z0-9._-]' };
  }
  const maxLimit = spec.algorithm === 'sliding_window_log' ? MAX_SLIDING_LOG_LIMIT : MAX_LIMIT;
  if (!isIntegerWithin(spec.limit, 1, maxLimit)) {
    return { field: 'limit', found: String(spec.limit), accepted: `an integer from 1 to ${maxLimit}` };
  }
  if (!isIntegerWithin(spec.windowMs, 1, MAX_WINDOW_MS)) {
    return {
      field: 'windowMs',
      found: String(spec.windowMs),
      accepted: `1 to ${MAX_WINDOW_MS} milliseconds (400 days)`,
    };
  }
  if (!isIntegerWithin(spec.burst, 1, MAX_LIMIT)) {
    return { field: 'burst', found: String(spec.burst), accepted: `an integer from 1 to ${MAX_LIMIT}` };
  }
  // Division of doubles is close enough here: the bound is far inside the exact range.
  if ((spec.burst / spec.limit) * spec.windowMs > MAX_DRAIN_MS) {
    return {
      field: 'burst',
      found: String(spec.burst),
      accepted: `a bucket that drains within ${MAX_DRAIN_MS} milliseconds at this rate`,
    };
  }
  return undefined;
}

function isIntegerWithin(value: number | bigint, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
