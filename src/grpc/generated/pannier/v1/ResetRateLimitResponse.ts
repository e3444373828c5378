// Original file: proto/pannier/v1/rate_limit.proto


export interface ResetRateLimitResponse {
  'existed'?: (boolean);
}

export interface ResetRateLimitResponseOutput {
  'existed': (boolean);
}
