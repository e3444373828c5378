// Original file: proto/pannier/v1/rate_limit.proto

import type { Limit as _pannier_v1_Limit, LimitOutput as _pannier_v1_LimitOutput } from '../../pannier/v1/Limit.ts';

export interface ResetRateLimitRequest {
  'policy'?: (string);
  'key'?: (string);
  'limits'?: (_pannier_v1_Limit)[];
}

export interface ResetRateLimitRequestOutput {
  'policy': (string);
  'key': (string);
  'limits': (_pannier_v1_LimitOutput)[];
}
