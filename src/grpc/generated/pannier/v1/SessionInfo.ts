// Original file: proto/pannier/v1/session.proto

import type { Long } from '@grpc/proto-loader';

export interface SessionInfo {
  'handle'?: (string);
  'createdAtMs'?: (number | string | Long);
  'lastSeenAtMs'?: (number | string | Long);
  'expiresAtMs'?: (number | string | Long);
  'labels'?: ({[key: string]: string});
}

export interface SessionInfoOutput {
  'handle': (string);
  'createdAtMs': (number);
  'lastSeenAtMs': (number);
  'expiresAtMs': (number);
  'labels': ({[key: string]: string});
}
