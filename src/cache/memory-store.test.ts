/**
 * Tests the memory store: the contract of all stores, and the bounds that only this store has.
 */
import { cacheStoreContract } from '../../test/support/cache/store-contract.ts';
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { systemClock } from '../lib/clock.ts';
import { bucketOf } from '../lib/key-hash.ts';
import { decodeInvalidationMessage } from '../near/invalidation-message.ts';
import { LocalChannels, localChannelNames } from '../near/local-channels.ts';
import { MemoryCacheStore } from './memory-store.ts';
import type { CacheWrite } from './store.ts';

function createStore(options: { maxEntries: number; maxBytes: number; clock?: FakeClock }): MemoryCacheStore {
  return new MemoryCacheStore({
    clock: options.clock ?? systemClock,
    channels: new LocalChannels(),
    ...options,
  });
}

function writeOf(key: string, valueBytes: number, options: Partial<CacheWrite> = {}): CacheWrite {
  return {
    namespace: 'n',
    key: Buffer.from(key),
    value: Buffer.alloc(valueBytes),
    absent: false,
    ttlMs: 60_000,
    tags: [],
    condition: { kind: 'none' },
    ...options,
  };
}

cacheStoreContract('memory', async () => ({
  store: createStore({ maxEntries: 10_000, maxBytes: 64 * 1_048_576 }),
  close: async () => {},
}));

test('stays within its maximum entries and bytes by evicting the least recently used entries', () => {
  const store = createStore({ maxEntries: 1_000, maxBytes: 1_000_000, clock: new FakeClock() });
  for (let index = 0; index < 20_000; index += 1) {
    store.write(writeOf(`key-${index}`, index % 3_000, { tags: [`tag-${index}`] }), 0);
    store.read('n', Buffer.from('key-0'), 0);
    expect(store.size).toBeLessThanOrEqual(1_000);
    expect(store.bytes).toBeLessThanOrEqual(1_000_000);
  }
  expect(store.read('n', Buffer.from('key-19999'), 0)).toBeDefined();
  expect(store.read('n', Buffer.from('key-1'), 0)).toBeUndefined();
});

test('evicts expired entries and tags before live ones, even if the live ones were used earlier', () => {
  const clock = new FakeClock();
  const store = createStore({ maxEntries: 1_000, maxBytes: 10_000_000, clock });
  store.write(writeOf('victim', 10, { ttlMs: 3_600_000, tags: ['victim'] }), 0);
  for (let index = 1; index < 1_000; index += 1) {
    store.write(writeOf(`key-${index}`, 10, { ttlMs: 1, tags: [`tag-${index}`] }), 0);
  }
  // The tags expire one minute after their entries.
  clock.advance(60_001);
  for (let index = 0; index < 999; index += 1) {
    store.write(writeOf(`new-${index}`, 10, { tags: [`new-${index}`] }), 0);
  }
  expect(store.read('n', Buffer.from('victim'), 0)).toBeDefined();
});

test('entries of an evicted namespace are misses and never become valid again', () => {
  const store = createStore({ maxEntries: 10_000, maxBytes: 64 * 1_048_576, clock: new FakeClock() });
  store.write(writeOf('key', 1, { namespace: 'first' }), 0);
  for (let index = 0; index < 1_100; index += 1) {
    store.write(writeOf('key', 1, { namespace: `n${index}` }), 0);
  }
  expect(store.read('first', Buffer.from('key'), 0)).toBeUndefined();
  store.write(writeOf('other', 1, { namespace: 'first' }), 0);
  expect(store.read('first', Buffer.from('key'), 0)).toBeUndefined();
});

test('copies a value out of the buffer that contains it', () => {
  const store = createStore({ maxEntries: 10, maxBytes: 1_000_000 });
  const message = Buffer.alloc(100_000, 1);
  store.write({ ...writeOf('key', 0), value: message.subarray(10, 20) }, 0);
  message.fill(2);
  const value = store.read('n', Buffer.from('key'), 0)?.value;
  expect(value).toEqual(Buffer.alloc(10, 1));
  expect(value?.buffer.byteLength).toBe(10);
});

test('measures a TTL with the monotonic clock, so a jump of the wall clock does not change it', () => {
  const clock = new FakeClock();
  const store = createStore({ maxEntries: 10, maxBytes: 1_000_000, clock });
  store.write(writeOf('key', 1, { ttlMs: 1_000 }), 0);
  clock.skew(3_600_000);
  expect(store.read('n', Buffer.from('key'), 0)).toMatchObject({ ageMs: 0, ttlMs: 1_000 });
  clock.advance(999);
  expect(store.read('n', Buffer.from('key'), 0)).toMatchObject({ ageMs: 999, ttlMs: 1 });
  clock.advance(1);
  expect(store.read('n', Buffer.from('key'), 0)).toBeUndefined();
});

test('rejects a value larger than the store and keeps the previous value', () => {
  const store = createStore({ maxEntries: 10, maxBytes: 100_000, clock: new FakeClock() });
  store.write(writeOf('key', 10), 0);
  const message = 'cannot store the value: it does not fit the memory store';
  expect(() => store.write(writeOf('key', 100_000), 0)).toThrow(expect.objectContaining({ kind: 'full', message }));
  expect(store.read('n', Buffer.from('key'), 0)?.value).toHaveLength(10);
});

test('invalidations of unknown namespaces without listeners do not evict a known namespace', () => {
  const store = createStore({ maxEntries: 10_000, maxBytes: 1_000_000, clock: new FakeClock() });
  store.write(writeOf('key', 1), 0);
  for (let index = 0; index < 1_100; index += 1) {
    store.flush(`flushed-${index}`, 0);
    store.remove(`removed-${index}`, [Buffer.from('key')], 0);
    store.removeTags(`untagged-${index}`, ['tag'], 0);
  }
  expect(store.read('n', Buffer.from('key'), 0)).toBeDefined();
});

test('numbers the messages of a subscribed channel without gaps, separately for keys and tags', () => {
  const channels = new LocalChannels();
  const limits = { maxEntries: 100, maxBytes: 1_000_000 };
  const store = new MemoryCacheStore({ clock: new FakeClock(), channels, ...limits });
  const received: string[] = [];
  const subscriber = channels.createSubscriber({
    onLive: () => undefined,
    onLost: () => undefined,
    onMessage: (channel, message) => received.push(`${channel} ${decodeInvalidationMessage(message)?.sequence}`),
  });
  const keyChannel = localChannelNames.cacheChannel('n', bucketOf('name'));
  const tagChannel = localChannelNames.cacheTagChannel('n', bucketOf('name'));
  subscriber.subscribe(keyChannel);
  subscriber.subscribe(tagChannel);
  for (let round = 0; round < 3; round += 1) {
    store.write(writeOf('name', 1), 0);
    store.removeTags('n', ['name'], 0);
  }
  store.flush('n', 0);
  expect(received.filter((line) => line.startsWith(`${keyChannel} `))).toEqual(
    [1, 2, 3, 4].map((number) => `${keyChannel} ${number}`),
  );
  expect(received.filter((line) => line.startsWith(`${tagChannel} `))).toEqual(
    [1, 2, 3].map((number) => `${tagChannel} ${number}`),
  );
});
