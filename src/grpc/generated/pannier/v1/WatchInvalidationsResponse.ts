// Original file: proto/pannier/v1/cache.proto

import type { WatchFlush as _pannier_v1_WatchFlush, WatchFlushOutput as _pannier_v1_WatchFlushOutput } from '../../pannier/v1/WatchFlush.ts';
import type { WatchStarted as _pannier_v1_WatchStarted, WatchStartedOutput as _pannier_v1_WatchStartedOutput } from '../../pannier/v1/WatchStarted.ts';

export interface WatchInvalidationsResponse {
  'key'?: (Buffer | Uint8Array | string);
  'tag'?: (string);
  'flush'?: (_pannier_v1_WatchFlush | null);
  'started'?: (_pannier_v1_WatchStarted | null);
  'version'?: (Buffer | Uint8Array | string);
  'event'?: "key"|"tag"|"flush"|"started";
}

export interface WatchInvalidationsResponseOutput {
  'key'?: (Buffer);
  'tag'?: (string);
  'flush'?: (_pannier_v1_WatchFlushOutput | null);
  'started'?: (_pannier_v1_WatchStartedOutput | null);
  'version': (Buffer);
}
