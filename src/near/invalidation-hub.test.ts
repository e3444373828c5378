/**
 * Tests the invalidation hub. Random histories of reads, hits, watches and idle times test how the hub counts the
 * channels of the near cache. Examples test the probes that the hub sends, and how the hub handles the replies.
 */
import fc from 'fast-check';
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { bucketOf } from '../lib/key-hash.ts';
import type { BusAction } from './bus.ts';
import { type Channel, InvalidationHub } from './invalidation-hub.ts';
import { encodeInvalidationMessage } from './invalidation-message.ts';
import { localChannelNames } from './local-channels.ts';
import { NearCache } from './near-cache.ts';
import type { SubscriberListener } from './subscriber.ts';

const IDLE_MS = 60_000;
const MAX_NEAR_CHANNELS = 3;
/** Keys of six different buckets. */
const KEYS = keysOfBuckets(6);

function keysOfBuckets(count: number): Buffer[] {
  const byBucket = new Map<number, Buffer>();
  for (let index = 0; byBucket.size < count; index += 1) {
    const key = Buffer.from(`key-${index}`);
    byBucket.set(bucketOf(key), key);
  }
  return [...byBucket.values()];
}

class World {
  readonly clock = new FakeClock();
  readonly subscribed = new Map<string, (() => readonly string[]) | undefined>();
  readonly actions: BusAction[] = [];
  readonly near: NearCache;
  readonly hub: InvalidationHub;
  listener: SubscriberListener | undefined;
  /** All channels that had an event. */
  readonly #channels = new Set<Channel>();
  #held: Channel[][] = [];

  constructor(maxNearChannels = MAX_NEAR_CHANNELS) {
    this.hub = new InvalidationHub({
      clock: this.clock,
      channelNames: localChannelNames,
      maxNearChannels,
      idleMs: IDLE_MS,
      createSubscriber: (listener) => {
        this.listener = listener;
        return {
          subscribe: (channel, probe) => {
            this.subscribed.set(channel, probe);
            listener.onLive(channel);
          },
          unsubscribe: (channel) => this.subscribed.delete(channel),
          barrier: async () => true,
          close: () => this.subscribed.clear(),
        };
      },
    });
    // Entries outlive the idle time of their channels in this test.
    const near = { maxEntries: 100, maxBytes: 1_000_000, lifeMs: 10 * IDLE_MS };
    this.near = new NearCache({ clock: this.clock, hub: this.hub, ...near });
    this.hub.addListener({
      onChannel: (channel, _event, action) => {
        this.#channels.add(channel);
        this.actions.push(action);
      },
    });
  }

  read(key: Buffer): void {
    const value = { absent: false, value: Buffer.of(1), version: Buffer.of(1), tags: [], ageMs: 0, ttlMs: 1e9 };
    this.near.fill(this.near.begin('n', key), value);
  }

  hit(key: Buffer): void {
    this.near.get('n', key, this.clock.monotonicMs());
  }

  hold(): void {
    if (this.#held.length < 2) {
      this.#held.push(this.hub.holdNamespace('n'));
    }
  }

  release(): void {
    this.hub.releaseNamespace(this.#held.pop() ?? []);
  }

  pass(durationMs: number): void {
    this.clock.advance(durationMs);
    this.hub.sweep();
  }

  check(): void {
    const inUse = [...this.#channels].filter(({ nearUsedAtMs }) => nearUsedAtMs !== undefined);
    expect(this.hub.nearChannelCount).toBe(inUse.length);
    expect(this.hub.nearChannelCount).toBeLessThanOrEqual(MAX_NEAR_CHANNELS);
    expect(inUse.every(({ name }) => this.subscribed.has(name))).toBe(true);
  }
}

interface Step {
  readonly does: string;
  act(world: World): void;
}

const key = fc.constantFrom(...KEYS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: key.map((of) => ({ does: `read ${of}`, act: (world: World) => world.read(of) })) },
  { weight: 5, arbitrary: key.map((of) => ({ does: `hit ${of}`, act: (world: World) => world.hit(of) })) },
  { weight: 1, arbitrary: fc.constant({ does: 'hold', act: (world: World) => world.hold() }) },
  { weight: 1, arbitrary: fc.constant({ does: 'release', act: (world: World) => world.release() }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(IDLE_MS / 3, IDLE_MS).map((ms) => ({
      does: `pass ${ms}`,
      act: (world: World) => world.pass(ms),
    })),
  },
);

test('in random histories, nearChannelCount equals the channels in use and never exceeds its maximum', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), (history) => {
      const world = new World();
      for (const { act } of history) {
        act(world);
        world.check();
      }
    }),
    { numRuns: 300 },
  );
});

test('a hit makes the near cache use a channel of a watch again, without counting the channel twice', () => {
  const world = new World(2);
  for (let round = 0; round < 5; round += 1) {
    world.read(KEYS[0] as Buffer);
    world.hold();
    world.pass(IDLE_MS);
    expect(world.hub.nearChannelCount).toBe(0);
    world.hit(KEYS[0] as Buffer);
    expect(world.hub.nearChannelCount).toBe(1);
  }
  for (const other of KEYS) {
    world.read(other);
  }
  expect(world.hub.nearChannelCount).toBe(2);
});

describe('a probe', () => {
  const bucket = bucketOf(KEYS[0] as Buffer);
  const channel = localChannelNames.cacheChannel('n', bucket);
  const sequence = localChannelNames.cacheSequence('n', bucket);

  function entryOf(number: number, stamp: string): Buffer {
    const entry = Buffer.alloc(24);
    entry.writeBigUInt64BE(BigInt(number));
    entry.write(stamp, 16, 'latin1');
    return entry;
  }

  function setUp(): World {
    const world = new World();
    world.read(KEYS[0] as Buffer);
    return world;
  }

  function say(world: World, number: number): void {
    const message = { kind: 'names' as const, incarnation: 'incarnat', sequence: number, stamp: 'stampsta', names: [] };
    world.listener?.onMessage(channel, encodeInvalidationMessage(message));
  }

  test('reads the sequence and the ring field of the known number', () => {
    const world = setUp();
    expect(world.subscribed.get(channel)?.()).toEqual(['HMGET', sequence, 'inc', 'n', '0']);
    say(world, 130);
    expect(world.subscribed.get(channel)?.()).toEqual(['HMGET', sequence, 'inc', 'n', '2']);
  });

  test('of a tag bucket reads the sequence of the tag bucket', () => {
    const world = setUp();
    world.hub.useForNear('n', 7, true);
    const command = world.subscribed.get(localChannelNames.cacheTagChannel('n', 7))?.();
    expect(command).toEqual(['HMGET', localChannelNames.cacheTagSequence('n', 7), 'inc', 'n', '0']);
  });

  test.each([
    ['the known position', [Buffer.from('incarnat'), Buffer.from('130'), entryOf(130, 'stampsta')], undefined],
    ['another stamp', [Buffer.from('incarnat'), Buffer.from('130'), entryOf(130, 'another.')], 'gap'],
    ['a ring entry of an older number', [Buffer.from('incarnat'), Buffer.from('130'), entryOf(66, 'stampsta')], 'gap'],
    ['another number', [Buffer.from('incarnat'), Buffer.from('4'), null], 'gap'],
    ['no sequence', [null, null, null], 'gap'],
    ['a malformed reply', ['?'], 'gap'],
    ['a malformed number', [Buffer.from('incarnat'), Buffer.from('x'), null], 'gap'],
  ])('that finds %s invalidates the bucket, except for the known position', (_what, reply, cause) => {
    const world = setUp();
    say(world, 130);
    world.read(KEYS[0] as Buffer);
    world.subscribed.get(channel)?.();
    world.actions.length = 0;
    world.listener?.onProbe?.(channel, reply);
    expect(world.actions).toEqual(cause === undefined ? [] : [{ kind: 'flush', cause, names: [] }]);
    expect(world.near.size).toBe(cause === undefined ? 1 : 0);
  });
});
