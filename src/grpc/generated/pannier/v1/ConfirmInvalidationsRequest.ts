// Original file: proto/pannier/v1/cache.proto

import type { Long } from '@grpc/proto-loader';

export interface ConfirmInvalidationsRequest {
  'watchId'?: (number | string | Long);
}

export interface ConfirmInvalidationsRequestOutput {
  'watchId': (number | bigint);
}
