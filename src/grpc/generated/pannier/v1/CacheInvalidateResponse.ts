// Original file: proto/pannier/v1/cache.proto

import type { Long } from '@grpc/proto-loader';

export interface CacheInvalidateResponse {
  'removed'?: (number | string | Long);
}

export interface CacheInvalidateResponseOutput {
  'removed': (number);
}
