/**
 * Malformed requests: each with its code and its text, none of which holds a key, a value or a tag.
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
const namespaceText =
  'namespace is a text of 6 characters outside the pattern, wanted 1 to 64 of [A-Za-z0-9._-], or empty for "default"';
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
  ['get: namespace', get({ namespace: 'a b:{}' }), bad, `cannot get a cached value: ${namespaceText}`],
  ['get: long namespace', get({ namespace: 'n'.repeat(65) }), bad, 'namespace is a text of 65 characters outside'],
  ['get: empty key', get({ key: empty }), bad, 'cannot get a cached value: key is empty, wanted 1 to 1024 bytes'],
  ['get: long key', get({ key: longKey }), bad, 'key is 1025 bytes long, wanted 1 to 1024 bytes'],
  ['get: negative lease_ms', get({ leaseMs: -1 }), bad, 'lease_ms is -1, wanted 0 or more'],
  ['get: negative wait_ms', get({ waitMs: -5 }), bad, 'wait_ms is -5, wanted 0 or more'],
  ['get: empty tag', get({ tags: ['ok', ''] }), bad, 'tags[1] is empty, wanted 1 to 128 bytes'],
  ['get: lease_ms', get({ leaseMs: 1 }), notBuilt, 'cannot get a cached value: lease_ms is not served by this version'],
  ['get: wait_ms', get({ waitMs: 1 }), notBuilt, 'cannot get a cached value: wait_ms is not served by this version'],
  ['get: tags', get({ tags: ['t'] }), notBuilt, 'cannot get a cached value: tags is not served by this version'],
  ['get many: namespace', getMany({ namespace: 'a b:{}' }), bad, `cannot get cached values: ${namespaceText}`],
  ['get many: too many', getMany({ keys: Array(257).fill(empty) }), bad, 'keys is a list of 257, wanted at most 256'],
  [
    'get many: empty key',
    getMany({ keys: [longKey.subarray(1), empty] }),
    bad,
    'keys[1] is empty, wanted 1 to 1024 bytes',
  ],
  ['get many: long key', getMany({ keys: [longKey] }), bad, 'keys[0] is 1025 bytes long'],
  ['set: namespace', set({ namespace: 'a b:{}' }), bad, `cannot set a cached value: ${namespaceText}`],
  ['set: empty key', set({ key: empty }), bad, 'cannot set a cached value: key is empty, wanted 1 to 1024 bytes'],
  ['set: long key', set({ key: longKey }), bad, 'key is 1025 bytes long'],
  [
    'set: large value',
    set({ value: Buffer.alloc(1_048_577) }),
    bad,
    'value is 1048577 bytes long, wanted at most 1048576 bytes',
  ],
  ['set: value and absent', set({ absent: true }), bad, 'value is 5 bytes long, wanted none together with absent'],
  ['set: ttl_ms 0', set({ ttlMs: 0 }), bad, 'ttl_ms is 0, wanted 1 to 2592000000 (30 days), or unset'],
  ['set: negative ttl_ms', set({ ttlMs: -1 }), bad, 'ttl_ms is -1, wanted 1 to 2592000000'],
  ['set: long ttl_ms', set({ ttlMs: 2_592_000_001 }), bad, 'ttl_ms is 2592000001, wanted 1 to 2592000000'],
  ['set: ttl_ms beyond exact numbers', set({ ttlMs: 2 ** 63 }), bad, 'ttl_ms is 9223372036854776000'],
  ['set: too many tags', set({ tags: manyTags }), bad, 'tags is a list of 17, wanted at most 16'],
  ['set: empty tag', set({ tags: [''] }), bad, 'tags[0] is empty, wanted 1 to 128 bytes'],
  ['set: long tag', set({ tags: ['ok', longTag] }), bad, 'tags[1] is 129 bytes long, wanted 1 to 128 bytes'],
  ['set: long tag, counted in bytes', set({ tags: ['é'.repeat(65)] }), bad, 'tags[0] is 130 bytes long'],
  ['set: negative stale_ms', set({ staleMs: -1 }), bad, 'stale_ms is -1, wanted 0 or more'],
  ['set: negative load_ms', set({ loadMs: -1 }), bad, 'load_ms is -1, wanted 0 or more'],
  [
    'set: two conditions',
    set({ ifAbsent: true, ifVersion: Buffer.of(1) }),
    bad,
    'if_version is set together with if_absent',
  ],
  [
    'set: two conditions, one of them empty',
    set({ ifAbsent: true, ifVersion: Buffer.alloc(0) }),
    bad,
    'if_version is set together with if_absent',
  ],
  [
    'set: long if_version',
    set({ ifVersion: Buffer.alloc(65) }),
    bad,
    'if_version is 65 bytes long, wanted the version of',
  ],
  ['set: lease', set({ lease: 'x' }), notBuilt, 'cannot set a cached value: lease is not served by this version'],
  ['set: stale_ms', set({ staleMs: 1 }), notBuilt, 'stale_ms is not served by this version'],
  ['set: load_ms', set({ loadMs: 1 }), notBuilt, 'load_ms is not served by this version'],
  ['set: release', set({ release: true }), notBuilt, 'release is not served by this version'],
  ['invalidate: namespace', invalidate({ namespace: 'a b:{}' }), bad, `cannot invalidate: ${namespaceText}`],
  [
    'invalidate: too many keys',
    invalidate({ keys: Array(1_001).fill(longKey) }),
    bad,
    'keys is a list of 1001, wanted at most 1000',
  ],
  ['invalidate: empty key', invalidate({ keys: [empty] }), bad, 'keys[0] is empty'],
  [
    'invalidate: too many tags',
    invalidate({ tags: Array(1_001).fill('t') }),
    bad,
    'tags is a list of 1001, wanted at most 1000',
  ],
  ['invalidate: long tag', invalidate({ tags: [longTag] }), bad, 'tags[0] is 129 bytes long'],
  ['watch: namespace', watch('a b:{}'), bad, `cannot watch invalidations: ${namespaceText}`],
];

test.each(cases)('%s', async (_what, call, code, text) => {
  const error = await failureOf(call);
  expect(error).toBeInstanceOf(StatusError);
  expect((error as StatusError).code).toBe(code);
  expect((error as StatusError).message).toContain(text);
  expect((error as StatusError).message).not.toMatch(/KKK|TTT/);
});

test('the bounds themselves are accepted', async () => {
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

async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}
