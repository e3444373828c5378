// Original file: proto/pannier/v1/session.proto

import type { Long } from '@grpc/proto-loader';

export interface CreateSessionRequest {
  'userId'?: (string);
  'data'?: ({[key: string]: Buffer | Uint8Array | string});
  'idleTtlMs'?: (number | string | Long);
  'absoluteTtlMs'?: (number | string | Long);
  'labels'?: ({[key: string]: string});
  'sessionId'?: (string);
  '_idleTtlMs'?: "idleTtlMs";
  '_absoluteTtlMs'?: "absoluteTtlMs";
}

export interface CreateSessionRequestOutput {
  'userId': (string);
  'data': ({[key: string]: Buffer});
  'idleTtlMs'?: (number | bigint);
  'absoluteTtlMs'?: (number | bigint);
  'labels': ({[key: string]: string});
  'sessionId': (string);
}
