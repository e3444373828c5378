// Original file: proto/pannier/v1/cache.proto

import type { MethodDefinition } from '@grpc/proto-loader'
import type { CacheGetManyRequest as _pannier_v1_CacheGetManyRequest, CacheGetManyRequestOutput as _pannier_v1_CacheGetManyRequestOutput } from '../../pannier/v1/CacheGetManyRequest.ts';
import type { CacheGetManyResponse as _pannier_v1_CacheGetManyResponse, CacheGetManyResponseOutput as _pannier_v1_CacheGetManyResponseOutput } from '../../pannier/v1/CacheGetManyResponse.ts';
import type { CacheGetRequest as _pannier_v1_CacheGetRequest, CacheGetRequestOutput as _pannier_v1_CacheGetRequestOutput } from '../../pannier/v1/CacheGetRequest.ts';
import type { CacheGetResponse as _pannier_v1_CacheGetResponse, CacheGetResponseOutput as _pannier_v1_CacheGetResponseOutput } from '../../pannier/v1/CacheGetResponse.ts';
import type { CacheInvalidateRequest as _pannier_v1_CacheInvalidateRequest, CacheInvalidateRequestOutput as _pannier_v1_CacheInvalidateRequestOutput } from '../../pannier/v1/CacheInvalidateRequest.ts';
import type { CacheInvalidateResponse as _pannier_v1_CacheInvalidateResponse, CacheInvalidateResponseOutput as _pannier_v1_CacheInvalidateResponseOutput } from '../../pannier/v1/CacheInvalidateResponse.ts';
import type { CacheSetRequest as _pannier_v1_CacheSetRequest, CacheSetRequestOutput as _pannier_v1_CacheSetRequestOutput } from '../../pannier/v1/CacheSetRequest.ts';
import type { CacheSetResponse as _pannier_v1_CacheSetResponse, CacheSetResponseOutput as _pannier_v1_CacheSetResponseOutput } from '../../pannier/v1/CacheSetResponse.ts';
import type { ConfirmInvalidationsRequest as _pannier_v1_ConfirmInvalidationsRequest, ConfirmInvalidationsRequestOutput as _pannier_v1_ConfirmInvalidationsRequestOutput } from '../../pannier/v1/ConfirmInvalidationsRequest.ts';
import type { ConfirmInvalidationsResponse as _pannier_v1_ConfirmInvalidationsResponse, ConfirmInvalidationsResponseOutput as _pannier_v1_ConfirmInvalidationsResponseOutput } from '../../pannier/v1/ConfirmInvalidationsResponse.ts';
import type { WatchInvalidationsRequest as _pannier_v1_WatchInvalidationsRequest, WatchInvalidationsRequestOutput as _pannier_v1_WatchInvalidationsRequestOutput } from '../../pannier/v1/WatchInvalidationsRequest.ts';
import type { WatchInvalidationsResponse as _pannier_v1_WatchInvalidationsResponse, WatchInvalidationsResponseOutput as _pannier_v1_WatchInvalidationsResponseOutput } from '../../pannier/v1/WatchInvalidationsResponse.ts';

export interface CacheServiceDefinition {
  CacheGet: MethodDefinition<_pannier_v1_CacheGetRequest, _pannier_v1_CacheGetResponse, _pannier_v1_CacheGetRequestOutput, _pannier_v1_CacheGetResponseOutput>
  CacheGetMany: MethodDefinition<_pannier_v1_CacheGetManyRequest, _pannier_v1_CacheGetManyResponse, _pannier_v1_CacheGetManyRequestOutput, _pannier_v1_CacheGetManyResponseOutput>
  CacheInvalidate: MethodDefinition<_pannier_v1_CacheInvalidateRequest, _pannier_v1_CacheInvalidateResponse, _pannier_v1_CacheInvalidateRequestOutput, _pannier_v1_CacheInvalidateResponseOutput>
  CacheSet: MethodDefinition<_pannier_v1_CacheSetRequest, _pannier_v1_CacheSetResponse, _pannier_v1_CacheSetRequestOutput, _pannier_v1_CacheSetResponseOutput>
  ConfirmInvalidations: MethodDefinition<_pannier_v1_ConfirmInvalidationsRequest, _pannier_v1_ConfirmInvalidationsResponse, _pannier_v1_ConfirmInvalidationsRequestOutput, _pannier_v1_ConfirmInvalidationsResponseOutput>
  WatchInvalidations: MethodDefinition<_pannier_v1_WatchInvalidationsRequest, _pannier_v1_WatchInvalidationsResponse, _pannier_v1_WatchInvalidationsRequestOutput, _pannier_v1_WatchInvalidationsResponseOutput>
}
