// Original file: proto/pannier/v1/rate_limit.proto

import type { CheckRateLimitRequest as _pannier_v1_CheckRateLimitRequest, CheckRateLimitRequestOutput as _pannier_v1_CheckRateLimitRequestOutput } from '../../pannier/v1/CheckRateLimitRequest.ts';

export interface CheckRateLimitsRequest {
  'checks'?: (_pannier_v1_CheckRateLimitRequest)[];
}

export interface CheckRateLimitsRequestOutput {
  'checks': (_pannier_v1_CheckRateLimitRequestOutput)[];
}
