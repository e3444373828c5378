// Original file: proto/pannier/v1/rate_limit.proto

import type { Long } from '@grpc/proto-loader';

export interface SettleRateLimitRequest {
  'reservationId'?: (string);
  'used'?: (number | string | Long);
  'cancel'?: (boolean);
  'extendMs'?: (number | string | Long);
  'outcome'?: "used"|"cancel";
  '_extendMs'?: "extendMs";
}

export interface SettleRateLimitRequestOutput {
  'reservationId': (string);
  'used'?: (number | bigint);
  'cancel'?: (boolean);
  'extendMs'?: (number | bigint);
}
