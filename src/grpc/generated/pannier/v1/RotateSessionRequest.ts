// Original file: proto/pannier/v1/session.proto

import type { Long } from '@grpc/proto-loader';

export interface RotateSessionRequest {
  'sessionId'?: (string);
  'userId'?: (string);
  'set'?: ({[key: string]: Buffer | Uint8Array | string});
  'remove'?: (string)[];
  'graceMs'?: (number | string | Long);
  '_userId'?: "userId";
  '_graceMs'?: "graceMs";
}

export interface RotateSessionRequestOutput {
  'sessionId': (string);
  'userId'?: (string);
  'set': ({[key: string]: Buffer});
  'remove': (string)[];
  'graceMs'?: (number | bigint);
}
