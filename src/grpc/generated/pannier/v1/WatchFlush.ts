// Original file: proto/pannier/v1/cache.proto


export interface WatchFlush {
}

export interface WatchFlushOutput {
}
