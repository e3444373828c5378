// Original file: proto/pannier/v1/cache.proto

import type { Long } from '@grpc/proto-loader';

export interface WatchStarted {
  'watchId'?: (number | string | Long);
}

export interface WatchStartedOutput {
  'watchId': (number);
}
