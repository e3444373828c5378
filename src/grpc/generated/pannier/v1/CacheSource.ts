// Original file: proto/pannier/v1/cache.proto

export const CacheSource = {
  CACHE_SOURCE_UNSPECIFIED: 0,
  CACHE_SOURCE_NEAR: 1,
  CACHE_SOURCE_STORE: 2,
} as const;

export type CacheSource =
  | 'CACHE_SOURCE_UNSPECIFIED'
  | 0
  | 'CACHE_SOURCE_NEAR'
  | 1
  | 'CACHE_SOURCE_STORE'
  | 2

export type CacheSourceOutput = typeof CacheSource[keyof typeof CacheSource]
