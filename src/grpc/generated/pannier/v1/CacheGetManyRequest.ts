// Original file: proto/pannier/v1/cache.proto


export interface CacheGetManyRequest {
  'namespace'?: (string);
  'keys'?: (Buffer | Uint8Array | string)[];
  'fresh'?: (boolean);
}

export interface CacheGetManyRequestOutput {
  'namespace': (string);
  'keys': (Buffer)[];
  'fresh': (boolean);
}
