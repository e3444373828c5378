// Original file: proto/pannier/v1/rate_limit.proto


export interface SettleRateLimitResponse {
  'settled'?: (boolean);
}

export interface SettleRateLimitResponseOutput {
  'settled': (boolean);
}
