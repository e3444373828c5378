// Original file: proto/pannier/v1/cache.proto

import type { Long } from '@grpc/proto-loader';

export interface CacheSetRequest {
  'namespace'?: (string);
  'key'?: (Buffer | Uint8Array | string);
  'value'?: (Buffer | Uint8Array | string);
  'ttlMs'?: (number | string | Long);
  'tags'?: (string)[];
  'lease'?: (string);
  'absent'?: (boolean);
  'staleMs'?: (number | string | Long);
  'loadMs'?: (number);
  'release'?: (boolean);
  'ifAbsent'?: (boolean);
  'ifVersion'?: (Buffer | Uint8Array | string);
  '_ttlMs'?: "ttlMs";
  '_ifVersion'?: "ifVersion";
}

export interface CacheSetRequestOutput {
  'namespace': (string);
  'key': (Buffer);
  'value': (Buffer);
  'ttlMs'?: (number | bigint);
  'tags': (string)[];
  'lease': (string);
  'absent': (boolean);
  'staleMs': (number | bigint);
  'loadMs': (number);
  'release': (boolean);
  'ifAbsent': (boolean);
  'ifVersion'?: (Buffer);
}
