/**
 * Validates the requests of CacheService.
 *
 * Invariants:
 *   1. No field is ignored. A call with a field that this version does not support fails with UNIMPLEMENTED, and the
 *      error names the field.
 *   2. An error text never contains a key, a value or a tag.
 */
import { MAX_CACHE_TTL_MS, NAME_PATTERN } from '../config/policy-file.ts';
import type { CacheGetManyRequestOutput } from '../grpc/generated/pannier/v1/CacheGetManyRequest.ts';
import type { CacheGetRequestOutput } from '../grpc/generated/pannier/v1/CacheGetRequest.ts';
import type { CacheInvalidateRequestOutput } from '../grpc/generated/pannier/v1/CacheInvalidateRequest.ts';
import type { CacheSetRequestOutput } from '../grpc/generated/pannier/v1/CacheSetRequest.ts';
import { checkBytes, checkCount } from '../grpc/request-checks.ts';
import { invalidArgument, unimplemented } from '../grpc/status.ts';
import { MAX_CACHE_KEY_BYTES, MAX_CACHE_TAG_BYTES, MAX_CACHE_TAGS } from './model.ts';
import type { CacheWrite, WriteCondition } from './store.ts';

const MAX_GET_MANY_KEYS = 256;
const MAX_INVALIDATE_KEYS = 1_000;
const MAX_INVALIDATE_TAGS = 1_000;
const NAMESPACE_DEFAULT = 'default';
/**
 * Maximum length of `if_version`. A version has 24 bytes, and a version of another length matches no entry. A version
 * that exceeds this bound cannot come from an earlier response, so the service rejects the request.
 */
const MAX_IF_VERSION_BYTES = 64;

const GET = 'get a cached value';
const SET = 'set a cached value';

export function checkGet(request: CacheGetRequestOutput): string {
  const namespace = checkNamespace(request.namespace);
  checkKey('key', request.key);
  checkNotNegative('lease_ms', request.leaseMs);
  checkNotNegative('wait_ms', request.waitMs);
  checkTags(request.tags, MAX_CACHE_TAGS);
  refuse(GET, 'lease_ms', request.leaseMs > 0);
  refuse(GET, 'wait_ms', request.waitMs > 0);
  refuse(GET, 'tags', request.tags.length > 0);
  return namespace;
}

export function checkGetMany(request: CacheGetManyRequestOutput): string {
  const namespace = checkNamespace(request.namespace);
  checkCount('keys', request.keys.length, { min: 0, max: MAX_GET_MANY_KEYS });
  checkKeys(request.keys);
  return namespace;
}

export interface SetRequestOptions {
  /** Returns the TTL, in ms, for a request that does not set a TTL. */
  readonly defaultTtlMs: (namespace: string) => number;
  readonly maxValueBytes: number;
}

export function readSet(request: CacheSetRequestOutput, options: SetRequestOptions): CacheWrite {
  const namespace = checkNamespace(request.namespace);
  checkKey('key', request.key);
  if (request.value.length > options.maxValueBytes) {
    throw invalidArgument('value', {
      accepted: `at most ${options.maxValueBytes} bytes`,
      got: `${request.value.length} bytes`,
    });
  }
  if (request.absent && request.value.length > 0) {
    throw invalidArgument('value', {
      accepted: 'empty when absent is set',
      got: `${request.value.length} bytes`,
    });
  }
  const ttlMs = readTtl(request.ttlMs ?? options.defaultTtlMs(namespace));
  checkTags(request.tags, MAX_CACHE_TAGS);
  checkNotNegative('stale_ms', request.staleMs);
  checkNotNegative('load_ms', request.loadMs);
  const condition = readCondition(request);
  refuse(SET, 'lease', request.lease !== '');
  refuse(SET, 'stale_ms', request.staleMs > 0);
  refuse(SET, 'load_ms', request.loadMs > 0);
  refuse(SET, 'release', request.release);
  const tags = [...new Set(request.tags)];
  return { namespace, key: request.key, value: request.value, absent: request.absent, ttlMs, tags, condition };
}

function readTtl(ttlMs: number | bigint): number {
  if (typeof ttlMs === 'bigint' || ttlMs < 1 || ttlMs > MAX_CACHE_TTL_MS) {
    throw invalidArgument('ttl_ms', {
      accepted: `between 1 and ${MAX_CACHE_TTL_MS} (30 days) or unset`,
      got: String(ttlMs),
    });
  }
  return ttlMs;
}

export interface Invalidation {
  readonly namespace: string;
  readonly keys: readonly Buffer[];
  readonly tags: readonly string[];
  readonly all: boolean;
}

export function readInvalidate(request: CacheInvalidateRequestOutput): Invalidation {
  const namespace = checkNamespace(request.namespace);
  checkCount('keys', request.keys.length, { min: 0, max: MAX_INVALIDATE_KEYS });
  checkKeys(request.keys);
  checkTags(request.tags, MAX_INVALIDATE_TAGS);
  return { namespace, keys: request.keys, tags: [...new Set(request.tags)], all: request.all };
}

export function readWatch(request: { namespace: string }): string {
  return checkNamespace(request.namespace);
}

function readCondition({ ifAbsent, ifVersion }: CacheSetRequestOutput): WriteCondition {
  if (ifVersion === undefined) {
    return { kind: ifAbsent ? 'if_absent' : 'none' };
  }
  if (ifAbsent) {
    throw invalidArgument('if_version', { accepted: 'unset when if_absent is set', got: 'both' });
  }
  if (ifVersion.length > MAX_IF_VERSION_BYTES) {
    throw invalidArgument('if_version', {
      accepted: 'a version from an earlier response',
      got: `${ifVersion.length} bytes`,
    });
  }
  // A miss has an empty version. If the caller passes this version, the store writes the value only if the key still
  // has no value.
  return ifVersion.length === 0 ? { kind: 'if_absent' } : { kind: 'if_version', version: ifVersion };
}

function checkNamespace(namespace: string): string {
  if (namespace === '') {
    return NAMESPACE_DEFAULT;
  }
  if (!NAME_PATTERN.test(namespace)) {
    throw invalidArgument('namespace', {
      accepted: '1 to 64 characters of [A-Za-z0-9._-] or empty for "default"',
      got: `${namespace.length} characters that do not match`,
    });
  }
  return namespace;
}

function checkKeys(keys: readonly Buffer[]): void {
  for (const [index, key] of keys.entries()) {
    checkKey(`keys[${index}]`, key);
  }
}

function checkKey(field: string, key: Buffer): void {
  checkBytes(field, key, { min: 1, max: MAX_CACHE_KEY_BYTES });
}

function checkTags(tags: readonly string[], max: number): void {
  checkCount('tags', tags.length, { min: 0, max });
  for (const [index, tag] of tags.entries()) {
    checkBytes(`tags[${index}]`, tag, { min: 1, max: MAX_CACHE_TAG_BYTES });
  }
}

function checkNotNegative(field: string, value: number | bigint): void {
  if (value < 0) {
    throw invalidArgument(field, { accepted: 'at least 0', got: String(value) });
  }
}

function refuse(action: string, option: string, isSet: boolean): void {
  if (isSet) {
    throw unimplemented(action, option);
  }
}
