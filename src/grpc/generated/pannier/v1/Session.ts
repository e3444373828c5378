// Original file: proto/pannier/v1/session.proto

import type { Long } from '@grpc/proto-loader';

export interface Session {
  'sessionId'?: (string);
  'userId'?: (string);
  'data'?: ({[key: string]: Buffer | Uint8Array | string});
  'version'?: (number | string | Long);
  'createdAtMs'?: (number | string | Long);
  'lastSeenAtMs'?: (number | string | Long);
  'expiresAtMs'?: (number | string | Long);
  'idleTtlMs'?: (number | string | Long);
  'absoluteExpiresAtMs'?: (number | string | Long);
  'handle'?: (string);
}

export interface SessionOutput {
  'sessionId': (string);
  'userId': (string);
  'data': ({[key: string]: Buffer});
  'version': (number);
  'createdAtMs': (number);
  'lastSeenAtMs': (number);
  'expiresAtMs': (number);
  'idleTtlMs': (number);
  'absoluteExpiresAtMs': (number);
  'handle': (string);
}
