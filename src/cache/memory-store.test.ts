/**
 * The memory store: the contract, and the bounds that only it has.
 */
import { cacheStoreContract } from '../../test/support/cache-store-contract.ts';
import { FakeClock, systemClock } from '../lib/clock.ts';
import { LocalChannels } from '../near/local-channels.ts';
import { createKeyspace } from '../redis/keyspace.ts';
import { MemoryCacheStore } from './memory-store.ts';
import type { CacheWrite } from './store.ts';

function createStore(options: { maxEntries: number; maxBytes: number; clock?: FakeClock }): MemoryCacheStore {
  return new MemoryCacheStore({
    clock: options.clock ?? systemClock,
    channels: new LocalChannels(),
    keyspace: createKeyspace(''),
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

test('stays within entries and bytes, the least recently used first out', () => {
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

test('a namespace that was forgotten for room makes its entries miss, not come back', () => {
  const store = createStore({ maxEntries: 10_000, maxBytes: 64 * 1_048_576, clock: new FakeClock() });
  store.write(writeOf('key', 1, { namespace: 'first' }), 0);
  for (let index = 0; index < 1_100; index += 1) {
    store.write(writeOf('key', 1, { namespace: `n${index}` }), 0);
  }
  expect(store.read('first', Buffer.from('key'), 0)).toBeUndefined();
  store.write(writeOf('other', 1, { namespace: 'first' }), 0);
  expect(store.read('first', Buffer.from('key'), 0)).toBeUndefined();
});

test('keeps no part of the buffer that a value came in', () => {
  const store = createStore({ maxEntries: 10, maxBytes: 1_000_000 });
  const message = Buffer.alloc(100_000, 1);
  store.write({ ...writeOf('key', 0), value: message.subarray(10, 20) }, 0);
  message.fill(2);
  const value = store.read('n', Buffer.from('key'), 0)?.value;
  expect(value).toEqual(Buffer.alloc(10, 1));
  expect(value?.buffer.byteLength).toBe(10);
});

test('a TTL counts by the clock that cannot jump', () => {
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
