// Original file: proto/pannier/v1/session.proto

import type { Long } from '@grpc/proto-loader';

export interface DeleteUserSessionsResponse {
  'deleted'?: (number | string | Long);
}

export interface DeleteUserSessionsResponseOutput {
  'deleted': (number);
}
