// Original file: proto/pannier/v1/rate_limit.proto


export interface CheckRateLimitError {
  'code'?: (number);
  'message'?: (string);
}

export interface CheckRateLimitErrorOutput {
  'code': (number);
  'message': (string);
}
