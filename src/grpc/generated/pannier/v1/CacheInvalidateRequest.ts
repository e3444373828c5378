// Original file: proto/pannier/v1/cache.proto


export interface CacheInvalidateRequest {
  'namespace'?: (string);
  'keys'?: (Buffer | Uint8Array | string)[];
  'tags'?: (string)[];
  'all'?: (boolean);
}

export interface CacheInvalidateRequestOutput {
  'namespace': (string);
  'keys': (Buffer)[];
  'tags': (string)[];
  'all': (boolean);
}
