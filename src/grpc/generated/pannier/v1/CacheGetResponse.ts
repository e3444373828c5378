// Original file: proto/pannier/v1/cache.proto

import type { CacheOutcome as _pannier_v1_CacheOutcome, CacheOutcomeOutput as _pannier_v1_CacheOutcomeOutput } from '../../pannier/v1/CacheOutcome.ts';
import type { CacheSource as _pannier_v1_CacheSource, CacheSourceOutput as _pannier_v1_CacheSourceOutput } from '../../pannier/v1/CacheSource.ts';
import type { Long } from '@grpc/proto-loader';

export interface CacheGetResponse {
  'outcome'?: (_pannier_v1_CacheOutcome);
  'value'?: (Buffer | Uint8Array | string);
  'source'?: (_pannier_v1_CacheSource);
  'version'?: (Buffer | Uint8Array | string);
  'ageMs'?: (number | string | Long);
  'ttlMs'?: (number | string | Long);
  'lease'?: (string);
  'holdsLease'?: (boolean);
  'retryMs'?: (number);
  'tags'?: (string)[];
}

export interface CacheGetResponseOutput {
  'outcome': (_pannier_v1_CacheOutcomeOutput);
  'value': (Buffer);
  'source': (_pannier_v1_CacheSourceOutput);
  'version': (Buffer);
  'ageMs': (number);
  'ttlMs': (number);
  'lease': (string);
  'holdsLease': (boolean);
  'retryMs': (number);
  'tags': (string)[];
}
