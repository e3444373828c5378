// Original file: proto/pannier/v1/cache.proto


export interface CacheSetResponse {
  'stored'?: (boolean);
  'version'?: (Buffer | Uint8Array | string);
}

export interface CacheSetResponseOutput {
  'stored': (boolean);
  'version': (Buffer);
}
