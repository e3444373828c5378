// Original file: proto/pannier/v1/session.proto

import type { Long } from '@grpc/proto-loader';

export interface UpdateSessionRequest {
  'sessionId'?: (string);
  'set'?: ({[key: string]: Buffer | Uint8Array | string});
  'remove'?: (string)[];
  'ifVersion'?: (number | string | Long);
  'idleTtlMs'?: (number | string | Long);
  'absoluteTtlMs'?: (number | string | Long);
  '_ifVersion'?: "ifVersion";
  '_idleTtlMs'?: "idleTtlMs";
  '_absoluteTtlMs'?: "absoluteTtlMs";
}

export interface UpdateSessionRequestOutput {
  'sessionId': (string);
  'set': ({[key: string]: Buffer});
  'remove': (string)[];
  'ifVersion'?: (number | bigint);
  'idleTtlMs'?: (number | bigint);
  'absoluteTtlMs'?: (number | bigint);
}
