// Original file: proto/pannier/v1/cache.proto


export interface WatchInvalidationsRequest {
  'namespace'?: (string);
}

export interface WatchInvalidationsRequestOutput {
  'namespace': (string);
}
