// Original file: proto/pannier/v1/cache.proto

import type { CacheGetResponse as _pannier_v1_CacheGetResponse, CacheGetResponseOutput as _pannier_v1_CacheGetResponseOutput } from '../../pannier/v1/CacheGetResponse.ts';

export interface CacheGetManyResponse {
  'results'?: (_pannier_v1_CacheGetResponse)[];
}

export interface CacheGetManyResponseOutput {
  'results': (_pannier_v1_CacheGetResponseOutput)[];
}
