// Original file: proto/pannier/v1/cache.proto


export interface CacheGetRequest {
  'namespace'?: (string);
  'key'?: (Buffer | Uint8Array | string);
  'leaseMs'?: (number);
  'waitMs'?: (number);
  'fresh'?: (boolean);
  'tags'?: (string)[];
}

export interface CacheGetRequestOutput {
  'namespace': (string);
  'key': (Buffer);
  'leaseMs': (number);
  'waitMs': (number);
  'fresh': (boolean);
  'tags': (string)[];
}
