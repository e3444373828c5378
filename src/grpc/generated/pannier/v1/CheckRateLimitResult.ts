// Original file: proto/pannier/v1/rate_limit.proto

import type { CheckRateLimitResponse as _pannier_v1_CheckRateLimitResponse, CheckRateLimitResponseOutput as _pannier_v1_CheckRateLimitResponseOutput } from '../../pannier/v1/CheckRateLimitResponse.ts';
import type { CheckRateLimitError as _pannier_v1_CheckRateLimitError, CheckRateLimitErrorOutput as _pannier_v1_CheckRateLimitErrorOutput } from '../../pannier/v1/CheckRateLimitError.ts';

export interface CheckRateLimitResult {
  'response'?: (_pannier_v1_CheckRateLimitResponse | null);
  'error'?: (_pannier_v1_CheckRateLimitError | null);
  'result'?: "response"|"error";
}

export interface CheckRateLimitResultOutput {
  'response'?: (_pannier_v1_CheckRateLimitResponseOutput | null);
  'error'?: (_pannier_v1_CheckRateLimitErrorOutput | null);
}
