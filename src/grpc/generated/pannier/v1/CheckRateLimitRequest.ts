// Original file: proto/pannier/v1/rate_limit.proto

import type { Limit as _pannier_v1_Limit, LimitOutput as _pannier_v1_LimitOutput } from '../../pannier/v1/Limit.ts';
import type { FailureMode as _pannier_v1_FailureMode, FailureModeOutput as _pannier_v1_FailureModeOutput } from '../../pannier/v1/FailureMode.ts';
import type { Long } from '@grpc/proto-loader';

export interface CheckRateLimitRequest {
  'policy'?: (string);
  'key'?: (string);
  'cost'?: (number | string | Long);
  'requestId'?: (string);
  'partial'?: (boolean);
  'reserve'?: (boolean);
  'reserveMs'?: (number | string | Long);
  'limits'?: (_pannier_v1_Limit)[];
  'onFailure'?: (_pannier_v1_FailureMode);
  'maxDelayMs'?: (number | string | Long);
  'detail'?: (boolean);
  'peek'?: (boolean);
  '_cost'?: "cost";
  '_reserveMs'?: "reserveMs";
  '_maxDelayMs'?: "maxDelayMs";
}

export interface CheckRateLimitRequestOutput {
  'policy': (string);
  'key': (string);
  'cost'?: (number | bigint);
  'requestId': (string);
  'partial': (boolean);
  'reserve': (boolean);
  'reserveMs'?: (number | bigint);
  'limits': (_pannier_v1_LimitOutput)[];
  'onFailure': (_pannier_v1_FailureModeOutput);
  'maxDelayMs'?: (number | bigint);
  'detail': (boolean);
  'peek': (boolean);
}
