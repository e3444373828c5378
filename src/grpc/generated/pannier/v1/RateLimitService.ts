// Original file: proto/pannier/v1/rate_limit.proto

import type { MethodDefinition } from '@grpc/proto-loader'
import type { CheckRateLimitRequest as _pannier_v1_CheckRateLimitRequest, CheckRateLimitRequestOutput as _pannier_v1_CheckRateLimitRequestOutput } from '../../pannier/v1/CheckRateLimitRequest.ts';
import type { CheckRateLimitResponse as _pannier_v1_CheckRateLimitResponse, CheckRateLimitResponseOutput as _pannier_v1_CheckRateLimitResponseOutput } from '../../pannier/v1/CheckRateLimitResponse.ts';
import type { CheckRateLimitsRequest as _pannier_v1_CheckRateLimitsRequest, CheckRateLimitsRequestOutput as _pannier_v1_CheckRateLimitsRequestOutput } from '../../pannier/v1/CheckRateLimitsRequest.ts';
import type { CheckRateLimitsResponse as _pannier_v1_CheckRateLimitsResponse, CheckRateLimitsResponseOutput as _pannier_v1_CheckRateLimitsResponseOutput } from '../../pannier/v1/CheckRateLimitsResponse.ts';
import type { ResetRateLimitRequest as _pannier_v1_ResetRateLimitRequest, ResetRateLimitRequestOutput as _pannier_v1_ResetRateLimitRequestOutput } from '../../pannier/v1/ResetRateLimitRequest.ts';
import type { ResetRateLimitResponse as _pannier_v1_ResetRateLimitResponse, ResetRateLimitResponseOutput as _pannier_v1_ResetRateLimitResponseOutput } from '../../pannier/v1/ResetRateLimitResponse.ts';
import type { SettleRateLimitRequest as _pannier_v1_SettleRateLimitRequest, SettleRateLimitRequestOutput as _pannier_v1_SettleRateLimitRequestOutput } from '../../pannier/v1/SettleRateLimitRequest.ts';
import type { SettleRateLimitResponse as _pannier_v1_SettleRateLimitResponse, SettleRateLimitResponseOutput as _pannier_v1_SettleRateLimitResponseOutput } from '../../pannier/v1/SettleRateLimitResponse.ts';

export interface RateLimitServiceDefinition {
  CheckRateLimit: MethodDefinition<_pannier_v1_CheckRateLimitRequest, _pannier_v1_CheckRateLimitResponse, _pannier_v1_CheckRateLimitRequestOutput, _pannier_v1_CheckRateLimitResponseOutput>
  CheckRateLimits: MethodDefinition<_pannier_v1_CheckRateLimitsRequest, _pannier_v1_CheckRateLimitsResponse, _pannier_v1_CheckRateLimitsRequestOutput, _pannier_v1_CheckRateLimitsResponseOutput>
  ResetRateLimit: MethodDefinition<_pannier_v1_ResetRateLimitRequest, _pannier_v1_ResetRateLimitResponse, _pannier_v1_ResetRateLimitRequestOutput, _pannier_v1_ResetRateLimitResponseOutput>
  SettleRateLimit: MethodDefinition<_pannier_v1_SettleRateLimitRequest, _pannier_v1_SettleRateLimitResponse, _pannier_v1_SettleRateLimitRequestOutput, _pannier_v1_SettleRateLimitResponseOutput>
}
