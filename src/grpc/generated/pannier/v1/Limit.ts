// Original file: proto/pannier/v1/rate_limit.proto

import type { Algorithm as _pannier_v1_Algorithm, AlgorithmOutput as _pannier_v1_AlgorithmOutput } from '../../pannier/v1/Algorithm.ts';
import type { Long } from '@grpc/proto-loader';

export interface Limit {
  'name'?: (string);
  'algorithm'?: (_pannier_v1_Algorithm);
  'limit'?: (number | string | Long);
  'windowMs'?: (number | string | Long);
  'burst'?: (number | string | Long);
  'holdMs'?: (number | string | Long);
  '_burst'?: "burst";
}

export interface LimitOutput {
  'name': (string);
  'algorithm': (_pannier_v1_AlgorithmOutput);
  'limit': (number | bigint);
  'windowMs': (number | bigint);
  'burst'?: (number | bigint);
  'holdMs': (number | bigint);
}
