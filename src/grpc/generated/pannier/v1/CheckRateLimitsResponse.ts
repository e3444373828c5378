// Original file: proto/pannier/v1/rate_limit.proto

import type { CheckRateLimitResult as _pannier_v1_CheckRateLimitResult, CheckRateLimitResultOutput as _pannier_v1_CheckRateLimitResultOutput } from '../../pannier/v1/CheckRateLimitResult.ts';

export interface CheckRateLimitsResponse {
  'results'?: (_pannier_v1_CheckRateLimitResult)[];
}

export interface CheckRateLimitsResponseOutput {
  'results': (_pannier_v1_CheckRateLimitResultOutput)[];
}
