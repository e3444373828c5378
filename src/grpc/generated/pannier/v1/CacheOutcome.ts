// Original file: proto/pannier/v1/cache.proto

export const CacheOutcome = {
  CACHE_OUTCOME_UNSPECIFIED: 0,
  CACHE_OUTCOME_HIT: 1,
  CACHE_OUTCOME_MISS: 2,
  CACHE_OUTCOME_STALE: 3,
  CACHE_OUTCOME_ABSENT: 4,
  CACHE_OUTCOME_UNAVAILABLE: 5,
  CACHE_OUTCOME_SKIPPED: 6,
} as const;

export type CacheOutcome =
  | 'CACHE_OUTCOME_UNSPECIFIED'
  | 0
  | 'CACHE_OUTCOME_HIT'
  | 1
  | 'CACHE_OUTCOME_MISS'
  | 2
  | 'CACHE_OUTCOME_STALE'
  | 3
  | 'CACHE_OUTCOME_ABSENT'
  | 4
  | 'CACHE_OUTCOME_UNAVAILABLE'
  | 5
  | 'CACHE_OUTCOME_SKIPPED'
  | 6

export type CacheOutcomeOutput = typeof CacheOutcome[keyof typeof CacheOutcome]
