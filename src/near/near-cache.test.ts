/**
 * Tests the near cache with messages that the test sends: when the near cache creates an entry, and which events drop
 * the entry.
 */
import {
  begin,
  channelOf,
  fill,
  KEY,
  nearValue,
  ready,
  setUpNear as setUp,
  tagChannelOf,
} from '../../test/support/near/near-cache-harness.ts';
import { bucketOf } from '../lib/key-hash.ts';
import { localChannelNames } from './local-channels.ts';

describe('a near-cache entry', () => {
  test('is created only by a read that was sent while the channel was live', () => {
    const t = setUp();
    t.near.fill(begin(t), nearValue('v0'));
    expect(t.get()).toBeUndefined();
    t.live(channelOf(KEY));
    fill(t, nearValue('v1'));
    expect(t.get()?.value.toString()).toBe('v1');
  });

  test('is served for 1 s after its read was sent, or until its value expires', () => {
    const t = setUp();
    ready(t);
    const placeholder = begin(t);
    t.clock.advance(400);
    t.near.fill(placeholder, nearValue('v1'));
    t.clock.advance(599);
    expect(t.get()).toBeDefined();
    t.clock.advance(1);
    expect(t.get()).toBeUndefined();
    fill(t, nearValue('v1', { ttlMs: 30 }));
    t.clock.advance(30);
    expect(t.get()).toBeUndefined();
  });

  test('is created for a busy key although the next read is always sent before the last one ends', () => {
    const t = setUp();
    ready(t);
    let inFlight = begin(t);
    for (let round = 0; round < 3; round += 1) {
      const next = begin(t);
      t.near.fill(inFlight, nearValue('v1'));
      inFlight = next;
      expect(t.get()?.value.toString()).toBe('v1');
      t.clock.advance(100);
    }
    t.near.drop('n', KEY);
    t.near.fill(inFlight, nearValue('v1'));
    expect(t.get()).toBeUndefined();
    expect(t.near.placeholderCount).toBe(0);
  });

  test('is not created by a read that took longer than the staleness bound', () => {
    const t = setUp();
    ready(t);
    const placeholder = begin(t);
    t.clock.advance(1_000);
    t.near.fill(placeholder, nearValue('v1'));
    expect(t.near.size).toBe(0);
  });

  test('does not share memory with the buffer of its reply', () => {
    const t = setUp();
    ready(t);
    const chunk = Buffer.alloc(100_000, 1);
    fill(t, nearValue('', { value: chunk.subarray(5, 10) }));
    chunk.fill(2);
    expect(t.get()?.value).toEqual(Buffer.alloc(5, 1));
    expect(t.get()?.value.buffer.byteLength).toBe(5);
  });
});

test.each([
  ['nothing', undefined],
  ['a value whose tag channel is not live', nearValue('v2', { tags: ['tag'] })],
])('a read that returns %s drops the entry of an earlier read', (_what, value) => {
  const t = setUp();
  ready(t);
  fill(t, nearValue('v1'));
  expect(t.get()).toBeDefined();
  // No message about the change arrived.
  t.near.fill(begin(t), value);
  expect(t.get()).toBeUndefined();
  expect(t.near.indexedCount).toBe(0);
});

describe('R1: the result of a read is not cached after', () => {
  test.each([
    ['a message for the key', (t: ReturnType<typeof setUp>) => t.say(channelOf(KEY), 'key')],
    [
      'a gap',
      (t: ReturnType<typeof setUp>) => {
        t.say(tagChannelOf('elsewhere'), 'lost for us');
        t.say(channelOf(KEY), 'other');
      },
    ],
    ['the loss of the channel', (t: ReturnType<typeof setUp>) => t.lost(channelOf(KEY))],
    [
      'its loss and return',
      (t: ReturnType<typeof setUp>) => {
        t.lost(channelOf(KEY));
        t.live(channelOf(KEY));
      },
    ],
    ['a write by this sidecar', (t: ReturnType<typeof setUp>) => t.near.drop('n', KEY)],
    ['an invalidation of a tag by this sidecar', (t: ReturnType<typeof setUp>) => t.near.dropTags('n', ['tag'])],
    ['a flush by this sidecar', (t: ReturnType<typeof setUp>) => t.near.dropNamespace('n')],
  ])('%s while the read was in flight', (_what, happen) => {
    const t = setUp();
    ready(t);
    const placeholder = begin(t);
    happen(t);
    t.near.fill(placeholder, nearValue('old'));
    expect(t.get()).toBeUndefined();
    expect(t.near.placeholderCount).toBe(0);
    // The result of a later read may be cached.
    t.live(channelOf(KEY));
    fill(t, nearValue('new'));
    expect(t.get()?.value.toString()).toBe('new');
  });
});

describe('the result of a read', () => {
  test('is cached after a message for another key of the bucket', () => {
    const t = setUp();
    ready(t);
    const placeholder = begin(t);
    t.say(channelOf(KEY), 'other');
    t.near.fill(placeholder, nearValue('v1'));
    expect(t.get()).toBeDefined();
  });

  test('does not replace the result of a read that was sent later', () => {
    const t = setUp();
    ready(t);
    const early = begin(t);
    t.say(channelOf(KEY), 'key');
    const late = begin(t);
    t.near.fill(late, nearValue('new'));
    t.near.fill(early, nearValue('old'));
    expect(t.get()?.value.toString()).toBe('new');
  });
});

describe('tags', () => {
  const tagged = nearValue('v1', { tags: ['t1', 't2'] });

  function readyWithTags() {
    const t = setUp();
    ready(t);
    fill(t, tagged);
    expect(t.get()).toBeUndefined();
    t.live(tagChannelOf('t1'));
    t.live(tagChannelOf('t2'));
    return t;
  }

  test('an entry is created only if the channels of its tags were live before its read was sent', () => {
    const t = readyWithTags();
    fill(t, tagged);
    expect(t.get()).toBeDefined();
  });

  test('a tag channel that becomes live while the read is in flight prevents caching', () => {
    const t = setUp();
    ready(t);
    fill(t, tagged);
    t.live(tagChannelOf('t1'));
    const placeholder = begin(t);
    t.live(tagChannelOf('t2'));
    t.near.fill(placeholder, tagged);
    expect(t.get()).toBeUndefined();
  });

  test('a message of a tag while the read is in flight prevents caching', () => {
    const t = readyWithTags();
    const placeholder = begin(t);
    t.say(tagChannelOf('t2'), 't2');
    t.near.fill(placeholder, tagged);
    expect(t.get()).toBeUndefined();
  });

  test('a message of a tag drops the entries with the tag, and a lost channel drops all entries of its bucket', () => {
    const t = readyWithTags();
    t.say(tagChannelOf('t1'), 'nothing');
    fill(t, tagged);
    t.say(tagChannelOf('t1'), 't1');
    expect(t.get()).toBeUndefined();
    fill(t, tagged);
    expect(t.get()).toBeDefined();
    t.lost(tagChannelOf('t2'));
    expect(t.get()).toBeUndefined();
    expect(t.near.indexedCount).toBe(0);
  });
});

describe('bounds', () => {
  test('the maximum entries and bytes are never exceeded, and the indexes contain only names of entries', () => {
    const t = setUp({ maxEntries: 50, maxBytes: 200_000 });
    for (let index = 0; index < 256 * 8; index += 1) {
      const key = Buffer.from(`key-${index % 700}`);
      t.near.begin('n', key);
      if (t.hub.useForNear('n', bucketOf(key), false)?.state.live === false) {
        t.live(channelOf(key));
      }
      fill(t, nearValue('x'.repeat(index % 9_000)), key);
      expect(t.near.size).toBeLessThanOrEqual(50);
      expect(t.near.bytes).toBeLessThanOrEqual(200_000);
      expect(t.near.indexedCount).toBe(t.near.size);
    }
    expect(t.near.size).toBeGreaterThan(10);
  });

  test('expired entries are evicted before live ones, even if the live ones were used earlier', () => {
    const t = setUp({ maxEntries: 10 });
    const keys = Array.from({ length: 11 }, (_, index) => Buffer.from(`key-${index}`));
    const [victim = KEY, ...others] = keys;
    for (const key of keys) {
      t.near.begin('n', key);
      t.live(channelOf(key));
    }
    fill(t, nearValue('victim'), victim);
    for (const key of others.slice(0, 9)) {
      fill(t, nearValue('ended', { ttlMs: 1 }), key);
    }
    t.clock.advance(1);
    fill(t, nearValue('new'), others[9]);
    expect(t.get(victim)?.value).toEqual(Buffer.from('victim'));
    expect(t.near.indexedCount).toBe(t.near.size);
  });

  test('the bytes of an entry include its tags, which both the entry and the index contain', () => {
    const t = setUp();
    const namespace = 'n'.repeat(64);
    const tags = Array.from({ length: 16 }, (_, index) => String(index).padStart(128, 't'));
    const channels = [
      localChannelNames.cacheChannel(namespace, bucketOf(KEY)),
      ...tags.map((tag) => localChannelNames.cacheTagChannel(namespace, bucketOf(tag))),
    ];
    t.hub.useForNear(namespace, bucketOf(KEY), false);
    for (const tag of tags) {
      t.hub.useForNear(namespace, bucketOf(tag), true);
    }
    for (const channel of channels) {
      t.live(channel);
    }
    t.near.fill(t.near.begin(namespace, KEY), nearValue('v1', { tags }));
    expect(t.near.size).toBe(1);
    // In a measurement, such an entry took 950 bytes, plus 520 bytes per tag.
    expect(t.near.bytes).toBeGreaterThanOrEqual(950 + 16 * 520);
  });

  test('subscriptions are bounded, and unused ones end after their idle time', () => {
    const t = setUp({ maxNearChannels: 10 });
    for (let index = 0; index < 100; index += 1) {
      t.near.begin('n', Buffer.from(`key-${index}`));
    }
    expect(t.subscribed.size).toBe(10);
    expect(t.hub.hasSubscriber).toBe(true);
    t.clock.advance(60_000);
    t.hub.sweep();
    expect(t.subscribed.size).toBe(0);
    expect(t.hub.hasSubscriber).toBe(false);
    expect(t.closedCount()).toBe(1);
  });

  test('a channel in use stays subscribed, and unsubscribing a channel drops its entries', () => {
    const t = setUp();
    ready(t);
    for (let second = 0; second < 70; second += 1) {
      fill(t, nearValue('v1'));
      t.clock.advance(900);
      expect(t.get()).toBeDefined();
      t.hub.sweep();
    }
    expect(t.subscribed.size).toBe(1);
    t.clock.advance(60_000);
    t.hub.sweep();
    expect(t.near.size).toBe(0);
    t.hub.close();
  });
});

test('distinguishes keys that are not valid UTF-8', () => {
  const t = setUp();
  const keys = [Buffer.of(0xfe), Buffer.of(0xff), Buffer.of(0xc3, 0x28), Buffer.of(0xef, 0xbf, 0xbd)];
  for (const [index, key] of keys.entries()) {
    ready(t, key);
    fill(t, nearValue(String(index)), key);
  }
  // The first message of a bucket invalidates the bucket, so the test caches all keys a second time.
  for (const [index, key] of keys.entries()) {
    fill(t, nearValue(String(index)), key);
  }
  expect(keys.map((key) => t.get(key)?.value.toString())).toEqual(['0', '1', '2', '3']);
  t.near.drop('n', Buffer.of(0xfe));
  expect(keys.map((key) => t.get(key)?.value.toString())).toEqual([undefined, '1', '2', '3']);
});
