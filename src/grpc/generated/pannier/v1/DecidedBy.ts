// Original file: proto/pannier/v1/rate_limit.proto

export const DecidedBy = {
  DECIDED_BY_UNSPECIFIED: 0,
  DECIDED_BY_STORE: 1,
  DECIDED_BY_NEAR: 2,
  DECIDED_BY_LEASE: 3,
  DECIDED_BY_FAILURE_MODE: 4,
} as const;

export type DecidedBy =
  | 'DECIDED_BY_UNSPECIFIED'
  | 0
  | 'DECIDED_BY_STORE'
  | 1
  | 'DECIDED_BY_NEAR'
  | 2
  | 'DECIDED_BY_LEASE'
  | 3
  | 'DECIDED_BY_FAILURE_MODE'
  | 4

export type DecidedByOutput = typeof DecidedBy[keyof typeof DecidedBy]
