/**
 * Near copies against a bus that the test speaks for: when a copy may be made, and what takes it away.
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

describe('a copy', () => {
  test('is made only by a read that was sent while the channel was live', () => {
    const t = setUp();
    t.near.fill(begin(t), nearValue('v0'));
    expect(t.get()).toBeUndefined();
    t.live(channelOf(KEY));
    fill(t, nearValue('v1'));
    expect(t.get()?.value.toString()).toBe('v1');
  });

  test('lives one second from when its read was sent, or as long as its value', () => {
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

  test('is made of a key that is being read all the time, the next read sent before the last is answered', () => {
    const t = setUp();
    ready(t);
    let underWay = begin(t);
    for (let round = 0; round < 3; round += 1) {
      const next = begin(t);
      t.near.fill(underWay, nearValue('v1'));
      underWay = next;
      expect(t.get()?.value.toString()).toBe('v1');
      t.clock.advance(100);
    }
    t.near.drop('n', KEY);
    t.near.fill(underWay, nearValue('v1'));
    expect(t.get()).toBeUndefined();
    expect(t.near.placeholderCount).toBe(0);
  });

  test('is not made of a read that took longer than it may live', () => {
    const t = setUp();
    ready(t);
    const placeholder = begin(t);
    t.clock.advance(1_000);
    t.near.fill(placeholder, nearValue('v1'));
    expect(t.near.size).toBe(0);
  });

  test('keeps no part of the buffer that it came in', () => {
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
  ['a value whose tags nobody vouches for', nearValue('v2', { tags: ['tag'] })],
])('a read that went past the copy and brought %s leaves nothing older to be served after it', (_what, value) => {
  const t = setUp();
  ready(t);
  fill(t, nearValue('v1'));
  expect(t.get()).toBeDefined();
  // Whoever changed it could not be heard.
  t.near.fill(begin(t), value);
  expect(t.get()).toBeUndefined();
  expect(t.near.indexedCount).toBe(0);
});

describe('R1: what came between the sending of a read and its answer voids the fill', () => {
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
    ['our own write', (t: ReturnType<typeof setUp>) => t.near.drop('n', KEY)],
    ['our own invalidation of a tag', (t: ReturnType<typeof setUp>) => t.near.dropTags('n', ['tag'])],
    ['our own flush', (t: ReturnType<typeof setUp>) => t.near.dropNamespace('n')],
  ])('%s', (_what, happen) => {
    const t = setUp();
    ready(t);
    const placeholder = begin(t);
    happen(t);
    t.near.fill(placeholder, nearValue('old'));
    expect(t.get()).toBeUndefined();
    expect(t.near.placeholderCount).toBe(0);
    // And the next read, sent after all that, may be kept.
    t.live(channelOf(KEY));
    fill(t, nearValue('new'));
    expect(t.get()?.value.toString()).toBe('new');
  });

  test('a message for another key of the bucket does not', () => {
    const t = setUp();
    ready(t);
    const placeholder = begin(t);
    t.say(channelOf(KEY), 'other');
    t.near.fill(placeholder, nearValue('v1'));
    expect(t.get()).toBeDefined();
  });

  test('of two reads in flight the later one counts', () => {
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

  test('a copy needs the channels of its tags, live before its read was sent', () => {
    const t = readyWithTags();
    fill(t, tagged);
    expect(t.get()).toBeDefined();
  });

  test('a channel that became live while the read was in flight does not count', () => {
    const t = setUp();
    ready(t);
    fill(t, tagged);
    t.live(tagChannelOf('t1'));
    const placeholder = begin(t);
    t.live(tagChannelOf('t2'));
    t.near.fill(placeholder, tagged);
    expect(t.get()).toBeUndefined();
  });

  test('a message of the tag while the read was in flight voids the fill', () => {
    const t = readyWithTags();
    const placeholder = begin(t);
    t.say(tagChannelOf('t2'), 't2');
    t.near.fill(placeholder, tagged);
    expect(t.get()).toBeUndefined();
  });

  test('a message of a tag drops what bears it, its loss all that depends on the channel', () => {
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
  test('entries and bytes hold through any number of fills, and the indexes hold nothing else', () => {
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

  test('a live copy stays while ended ones can make room, whatever was used last', () => {
    const t = setUp({ maxEntries: 10 });
    const copies = Array.from({ length: 11 }, (_, index) => Buffer.from(`key-${index}`));
    const [victim = KEY, ...others] = copies;
    for (const key of copies) {
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

  test('the bytes of a copy are those of its tags as well, each held by the copy and by the index', () => {
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
    // As much as such a copy was measured to take: 520 bytes per tag and 950 beside.
    expect(t.near.bytes).toBeGreaterThanOrEqual(950 + 16 * 520);
  });

  test('subscriptions are bounded, and given up when nothing uses them', () => {
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

  test('a channel in use stays subscribed; one that is given up takes its copies along', () => {
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

test('keys that are no text do not meet', () => {
  const t = setUp();
  const keys = [Buffer.of(0xfe), Buffer.of(0xff), Buffer.of(0xc3, 0x28), Buffer.of(0xef, 0xbf, 0xbd)];
  for (const [index, key] of keys.entries()) {
    ready(t, key);
    fill(t, nearValue(String(index)), key);
  }
  // The first message of a bucket voids it, so keys of one bucket are filled anew.
  for (const [index, key] of keys.entries()) {
    fill(t, nearValue(String(index)), key);
  }
  expect(keys.map((key) => t.get(key)?.value.toString())).toEqual(['0', '1', '2', '3']);
  t.near.drop('n', Buffer.of(0xfe));
  expect(keys.map((key) => t.get(key)?.value.toString())).toEqual([undefined, '1', '2', '3']);
});
