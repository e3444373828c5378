// Original file: proto/pannier/v1/session.proto

import type { Long } from '@grpc/proto-loader';

export interface UpdateSessionResponse {
  'version'?: (number | string | Long);
  'expiresAtMs'?: (number | string | Long);
}

export interface UpdateSessionResponseOutput {
  'version': (number);
  'expiresAtMs': (number);
}
