// Original file: proto/pannier/v1/rate_limit.proto

export const FailureMode = {
  FAILURE_MODE_UNSPECIFIED: 0,
  FAILURE_MODE_ALLOW: 1,
  FAILURE_MODE_DENY: 2,
  FAILURE_MODE_LOCAL: 3,
} as const;

export type FailureMode =
  | 'FAILURE_MODE_UNSPECIFIED'
  | 0
  | 'FAILURE_MODE_ALLOW'
  | 1
  | 'FAILURE_MODE_DENY'
  | 2
  | 'FAILURE_MODE_LOCAL'
  | 3

export type FailureModeOutput = typeof FailureMode[keyof typeof FailureMode]
