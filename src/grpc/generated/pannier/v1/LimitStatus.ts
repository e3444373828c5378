// Original file: proto/pannier/v1/rate_limit.proto

import type { Algorithm as _pannier_v1_Algorithm, AlgorithmOutput as _pannier_v1_AlgorithmOutput } from '../../pannier/v1/Algorithm.ts';
import type { Long } from '@grpc/proto-loader';

export interface LimitStatus {
  'name'?: (string);
  'algorithm'?: (_pannier_v1_Algorithm);
  'limit'?: (number | string | Long);
  'windowMs'?: (number | string | Long);
  'remaining'?: (number | string | Long);
  'allowed'?: (boolean);
  'retryAfterMs'?: (number | string | Long);
  'resetAfterMs'?: (number | string | Long);
  'burst'?: (number | string | Long);
}

export interface LimitStatusOutput {
  'name': (string);
  'algorithm': (_pannier_v1_AlgorithmOutput);
  'limit': (number);
  'windowMs': (number);
  'remaining': (number);
  'allowed': (boolean);
  'retryAfterMs': (number);
  'resetAfterMs': (number);
  'burst': (number);
}
