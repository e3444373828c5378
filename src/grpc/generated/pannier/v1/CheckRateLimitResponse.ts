// Original file: proto/pannier/v1/rate_limit.proto

import type { DecidedBy as _pannier_v1_DecidedBy, DecidedByOutput as _pannier_v1_DecidedByOutput } from '../../pannier/v1/DecidedBy.ts';
import type { LimitStatus as _pannier_v1_LimitStatus, LimitStatusOutput as _pannier_v1_LimitStatusOutput } from '../../pannier/v1/LimitStatus.ts';
import type { Long } from '@grpc/proto-loader';

export interface CheckRateLimitResponse {
  'allowed'?: (boolean);
  'limitName'?: (string);
  'limit'?: (number | string | Long);
  'remaining'?: (number | string | Long);
  'windowMs'?: (number | string | Long);
  'granted'?: (number | string | Long);
  'retryAfterMs'?: (number | string | Long);
  'never'?: (boolean);
  'resetAfterMs'?: (number | string | Long);
  'delayMs'?: (number | string | Long);
  'decidedBy'?: (_pannier_v1_DecidedBy);
  'shadowDenied'?: (boolean);
  'reservationId'?: (string);
  'limits'?: (_pannier_v1_LimitStatus)[];
  'burst'?: (number | string | Long);
}

export interface CheckRateLimitResponseOutput {
  'allowed': (boolean);
  'limitName': (string);
  'limit': (number);
  'remaining': (number);
  'windowMs': (number);
  'granted': (number);
  'retryAfterMs': (number);
  'never': (boolean);
  'resetAfterMs': (number);
  'delayMs': (number);
  'decidedBy': (_pannier_v1_DecidedByOutput);
  'shadowDenied': (boolean);
  'reservationId': (string);
  'limits': (_pannier_v1_LimitStatusOutput)[];
  'burst': (number);
}
