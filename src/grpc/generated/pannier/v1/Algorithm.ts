// Original file: proto/pannier/v1/rate_limit.proto

export const Algorithm = {
  ALGORITHM_UNSPECIFIED: 0,
  ALGORITHM_FIXED_WINDOW: 1,
  ALGORITHM_SLIDING_WINDOW_LOG: 2,
  ALGORITHM_SLIDING_WINDOW_COUNTER: 3,
  ALGORITHM_TOKEN_BUCKET: 4,
  ALGORITHM_LEAKY_BUCKET: 5,
  ALGORITHM_CONCURRENCY: 6,
} as const;

export type Algorithm =
  | 'ALGORITHM_UNSPECIFIED'
  | 0
  | 'ALGORITHM_FIXED_WINDOW'
  | 1
  | 'ALGORITHM_SLIDING_WINDOW_LOG'
  | 2
  | 'ALGORITHM_SLIDING_WINDOW_COUNTER'
  | 3
  | 'ALGORITHM_TOKEN_BUCKET'
  | 4
  | 'ALGORITHM_LEAKY_BUCKET'
  | 5
  | 'ALGORITHM_CONCURRENCY'
  | 6

export type AlgorithmOutput = typeof Algorithm[keyof typeof Algorithm]
