/**
 * Tests the validation of requests: the status code and text of each error, which never contains a key, a value or a
 * tag.
 */
import { noCacheMetrics } from '../../test/support/cache/no-metrics.ts';
import { callContext, getRequest, invalidateRequest, setRequest } from '../../test/support/cache/requests.ts';
import { DEFAULT_POLICY_FILE } from '../config/policy-file.ts';
import { Status, StatusError } from '../grpc/status.ts';
import { systemClock } from '../lib/clock.ts';
import { LocalChannels, localChannelNames } from '../near/local-channels.ts';
import { MemoryCacheStore } from './memory-store.ts';
import { createCacheService } from './service.ts';

const channels = new LocalChannels();
const service = createCacheService({
  maxValueBytes: 1_048_576,
  store: new MemoryCacheStore({ clock: systemClock, channels, maxEntries: 100, maxBytes: 10_000_000 }),
  createSubscriber: (listener) => channels.createSubscriber(listener),
  channelNames: localChannelNames,
  policies: { current: () => DEFAULT_POLICY_FILE },
  clock: systemClock,
  metrics: noCacheMetrics,
});

const empty = Buffer.alloc(0);
const longKey = Buffer.alloc(1_025, 'K');
const longTag = 'T'.repeat(129);
const manyTags = Array.from({ length: 17 }, (_, index) => `tag-${index}`);
const namespaceText = namespaceError(6);
const bad = Status.INVALID_ARGUMENT;
const notBuilt = Status.UNIMPLEMENTED;

type Case = readonly [what: string, call: () => unknown, code: number, text: string];

const get = (fields: Parameters<typeof getRequest>[0]) => () =>
  service.handlers.CacheGet(getRequest(fields), callContext());
const set = (fields: Parameters<typeof setRequest>[0]) => () =>
  service.handlers.CacheSet(setRequest(fields), callContext());
const getMany = (fields: { namespace?: string; keys?: Buffer[] }) => () =>
  service.handlers.CacheGetMany({ namespace: 'n', keys: [], fresh: false, ...fields }, callContext());
const invalidate = (fields: Parameters<typeof invalidateRequest>[0]) => () =>
  service.handlers.CacheInvalidate(invalidateRequest(fields), callContext());
const watch = (namespace: string) => async () =>
  await service.handlers.WatchInvalidations({ namespace }, callContext(), {
    send: () => true,
    writable: async () => {},
  });

const cases: readonly Case[] = [
  ['CacheGet with an invalid namespace', get({ namespace: 'a b:{}' }), bad, namespaceText],
  ['CacheGet with a namespace that is too long', get({ namespace: 'n'.repeat(65) }), bad, namespaceError(65)],
  ['CacheGet with an empty key', get({ key: empty }), bad, 'key must be 1 to 1024 bytes long, got 0 bytes'],
  [
    'CacheGet with a key that is too long',
    get({ key: longKey }),
    bad,
    'key must be 1 to 1024 bytes long, got 1025 bytes',
  ],
  ['CacheGet with a negative lease_ms', get({ leaseMs: -1 }), bad, 'lease_ms must be at least 0, got -1'],
  ['CacheGet with a negative wait_ms', get({ waitMs: -5 }), bad, 'wait_ms must be at least 0, got -5'],
  ['CacheGet with an empty tag', get({ tags: ['ok', ''] }), bad, 'tags[1] must be 1 to 128 bytes long, got 0 bytes'],
  [
    'CacheGet with lease_ms',
    get({ leaseMs: 1 }),
    notBuilt,
    'cannot get a cached value: this version does not support lease_ms; leave it unset',
  ],
  [
    'CacheGet with wait_ms',
    get({ waitMs: 1 }),
    notBuilt,
    'cannot get a cached value: this version does not support wait_ms; leave it unset',
  ],
  [
    'CacheGet with tags',
    get({ tags: ['t'] }),
    notBuilt,
    'cannot get a cached value: this version does not support tags; leave it unset',
  ],
  ['CacheGetMany with an invalid namespace', getMany({ namespace: 'a b:{}' }), bad, namespaceText],
  [
    'CacheGetMany with too many keys',
    getMany({ keys: Array(257).fill(empty) }),
    bad,
    'keys must be a list of at most 256 entries, got 257 entries',
  ],
  [
    'CacheGetMany with an empty key',
    getMany({ keys: [longKey.subarray(1), empty] }),
    bad,
    'keys[1] must be 1 to 1024 bytes long, got 0 bytes',
  ],
  [
    'CacheGetMany with a key that is too long',
    getMany({ keys: [longKey] }),
    bad,
    'keys[0] must be 1 to 1024 bytes long, got 1025 bytes',
  ],
  ['CacheSet with an invalid namespace', set({ namespace: 'a b:{}' }), bad, namespaceText],
  ['CacheSet with an empty key', set({ key: empty }), bad, 'key must be 1 to 1024 bytes long, got 0 bytes'],
  [
    'CacheSet with a key that is too long',
    set({ key: longKey }),
    bad,
    'key must be 1 to 1024 bytes long, got 1025 bytes',
  ],
  [
    'CacheSet with a value that is too large',
    set({ value: Buffer.alloc(1_048_577) }),
    bad,
    'value must be at most 1048576 bytes, got 1048577 bytes',
  ],
  [
    'CacheSet with a value and absent',
    set({ absent: true }),
    bad,
    'value must be empty when absent is set, got 5 bytes',
  ],
  [
    'CacheSet with ttl_ms 0',
    set({ ttlMs: 0 }),
    bad,
    'ttl_ms must be between 1 and 2592000000 (30 days) or unset, got 0',
  ],
  [
    'CacheSet with a negative ttl_ms',
    set({ ttlMs: -1 }),
    bad,
    'ttl_ms must be between 1 and 2592000000 (30 days) or unset, got -1',
  ],
  [
    'CacheSet with a ttl_ms that is too long',
    set({ ttlMs: 2_592_000_001 }),
    bad,
    'ttl_ms must be between 1 and 2592000000 (30 days) or unset, got 2592000001',
  ],
  [
    'CacheSet with a ttl_ms above 2^53',
    set({ ttlMs: 2 ** 63 }),
    bad,
    'ttl_ms must be between 1 and 2592000000 (30 days) or unset, got 9223372036854776000',
  ],
  [
    'CacheSet with too many tags',
    set({ tags: manyTags }),
    bad,
    'tags must be a list of at most 16 entries, got 17 entries',
  ],
  ['CacheSet with an empty tag', set({ tags: [''] }), bad, 'tags[0] must be 1 to 128 bytes long, got 0 bytes'],
  [
    'CacheSet with a tag that is too long',
    set({ tags: ['ok', longTag] }),
    bad,
    'tags[1] must be 1 to 128 bytes long, got 129 bytes',
  ],
  [
    'CacheSet with a tag of few characters and too many bytes',
    set({ tags: ['é'.repeat(65)] }),
    bad,
    'tags[0] must be 1 to 128 bytes long, got 130 bytes',
  ],
  ['CacheSet with a negative stale_ms', set({ staleMs: -1 }), bad, 'stale_ms must be at least 0, got -1'],
  ['CacheSet with a negative load_ms', set({ loadMs: -1 }), bad, 'load_ms must be at least 0, got -1'],
  [
    'CacheSet with if_absent and if_version',
    set({ ifAbsent: true, ifVersion: Buffer.of(1) }),
    bad,
    'if_version must be unset when if_absent is set, got both',
  ],
  [
    'CacheSet with if_absent and an empty if_version',
    set({ ifAbsent: true, ifVersion: Buffer.alloc(0) }),
    bad,
    'if_version must be unset when if_absent is set, got both',
  ],
  [
    'CacheSet with an if_version that is too long',
    set({ ifVersion: Buffer.alloc(65) }),
    bad,
    'if_version must be a version from an earlier response, got 65 bytes',
  ],
  [
    'CacheSet with lease',
    set({ lease: 'x' }),
    notBuilt,
    'cannot set a cached value: this version does not support lease; leave it unset',
  ],
  [
    'CacheSet with stale_ms',
    set({ staleMs: 1 }),
    notBuilt,
    'cannot set a cached value: this version does not support stale_ms; leave it unset',
  ],
  [
    'CacheSet with load_ms',
    set({ loadMs: 1 }),
    notBuilt,
    'cannot set a cached value: this version does not support load_ms; leave it unset',
  ],
  [
    'CacheSet with release',
    set({ release: true }),
    notBuilt,
    'cannot set a cached value: this version does not support release; leave it unset',
  ],
  ['CacheInvalidate with an invalid namespace', invalidate({ namespace: 'a b:{}' }), bad, namespaceText],
  [
    'CacheInvalidate with too many keys',
    invalidate({ keys: Array(1_001).fill(longKey) }),
    bad,
    'keys must be a list of at most 1000 entries, got 1001 entries',
  ],
  [
    'CacheInvalidate with an empty key',
    invalidate({ keys: [empty] }),
    bad,
    'keys[0] must be 1 to 1024 bytes long, got 0 bytes',
  ],
  [
    'CacheInvalidate with too many tags',
    invalidate({ tags: Array(1_001).fill('t') }),
    bad,
    'tags must be a list of at most 1000 entries, got 1001 entries',
  ],
  [
    'CacheInvalidate with a tag that is too long',
    invalidate({ tags: [longTag] }),
    bad,
    'tags[0] must be 1 to 128 bytes long, got 129 bytes',
  ],
  ['WatchInvalidations with an invalid namespace', watch('a b:{}'), bad, namespaceText],
];

test.each(cases)('rejects %s', async (_what, call, code, text) => {
  const error = await failureOf(call);
  expect(error).toBeInstanceOf(StatusError);
  expect((error as StatusError).code).toBe(code);
  expect((error as StatusError).message).toBe(text);
  expect((error as StatusError).message).not.toMatch(/KKK|TTT/);
});

test('accepts values at the bounds', async () => {
  const key = Buffer.alloc(1_024, 'K');
  expect(
    await set({ key, value: Buffer.alloc(1_048_576), ttlMs: 2_592_000_000, tags: ['T'.repeat(128)] })(),
  ).toMatchObject({
    stored: true,
  });
  expect(await set({ key, ttlMs: 1, namespace: 'n'.repeat(64), tags: manyTags.slice(1) })()).toMatchObject({
    stored: true,
  });
  expect(await getMany({ keys: Array(256).fill(key) })()).toMatchObject({ results: { length: 256 } });
  expect(await invalidate({ keys: Array(1_000).fill(key), tags: Array(1_000).fill('t') })()).toEqual({ removed: 1 });
  expect(await invalidate({})()).toEqual({ removed: 0 });
});

function namespaceError(length: number): string {
  const accepted = '1 to 64 characters of [A-Za-z0-9._-] or empty for "default"';
  return `namespace must be ${accepted}, got ${length} characters that do not match`;
}

async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}
