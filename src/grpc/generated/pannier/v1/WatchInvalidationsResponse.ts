// Original file: proto/pannier/v1/cache.proto

import type { Long } from '@grpc/proto-loader';

export interface _pannier_v1_WatchInvalidationsResponse_Flush {
}

export interface _pannier_v1_WatchInvalidationsResponse_FlushOutput {
}

export interface _pannier_v1_WatchInvalidationsResponse_WatchStarted {
  'watchId'?: (number | string | Long);
}

export interface _pannier_v1_WatchInvalidationsResponse_WatchStartedOutput {
  'watchId': (number);
}

export interface WatchInvalidationsResponse {
  'key'?: (Buffer | Uint8Array | string);
  'tag'?: (string);
  'flush'?: (_pannier_v1_WatchInvalidationsResponse_Flush | null);
  'started'?: (_pannier_v1_WatchInvalidationsResponse_WatchStarted | null);
  'version'?: (Buffer | Uint8Array | string);
  'event'?: "key"|"tag"|"flush"|"started";
}

export interface WatchInvalidationsResponseOutput {
  'key'?: (Buffer);
  'tag'?: (string);
  'flush'?: (_pannier_v1_WatchInvalidationsResponse_FlushOutput | null);
  'started'?: (_pannier_v1_WatchInvalidationsResponse_WatchStartedOutput | null);
  'version': (Buffer);
}
