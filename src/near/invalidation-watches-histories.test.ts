/**
 * Tests watches with random histories. In these histories, an application updates its own cache according to the events
 * of a watch. Messages of the store arrive late, channels are lost and repaired, and the reader may be too slow for the
 * queue.
 *
 * Invariants:
 *   1. After a confirmation, the application has no entry that was already invalid when the application requested the
 *      confirmation.
 *   2. Once all messages have arrived, the application has no invalid entry.
 */
import fc from 'fast-check';
import { systemClock as clock } from '../lib/clock.ts';
import { bucketOf } from '../lib/key-hash.ts';
import { InvalidationHub } from './invalidation-hub.ts';
import { encodeInvalidationMessage } from './invalidation-message.ts';
import { type InvalidationWatch, InvalidationWatches, type WatchEvent } from './invalidation-watches.ts';
import { localChannelNames } from './local-channels.ts';
import type { SubscriberListener } from './subscriber.ts';

const KEYS = ['a', 'b', 'c'];
const TAG = 't';
/** Keys that have the tag. */
const TAGGED = ['a', 'c'];
const KEY_CHANNELS = [...new Set(KEYS.map((key) => localChannelNames.cacheChannel('n', bucketOf(key))))];
const TAG_CHANNEL = localChannelNames.cacheTagChannel('n', bucketOf(TAG));
const CHANNELS = [...KEY_CHANNELS, TAG_CHANNEL];
const MAX_QUEUE = 3;

class World {
  confirmations = 0;
  readonly #watches: InvalidationWatches;
  readonly #watch: InvalidationWatch;
  readonly #subscribed = new Set<string>();
  /** Messages that have not arrived, for each live channel. */
  readonly #queues = new Map<string, Buffer[]>();
  readonly #sequences = new Map<string, number>();
  /** Number of invalidations of each key. */
  readonly #current = new Map<string, number>();
  readonly #cached = new Map<string, number>();
  #listener: SubscriberListener | undefined;

  constructor() {
    const hub = new InvalidationHub({
      clock,
      channelNames: localChannelNames,
      createSubscriber: (listener) => {
        this.#listener = listener;
        return {
          subscribe: (channel) => this.#subscribed.add(channel),
          unsubscribe: (channel) => this.#subscribed.delete(channel),
          barrier: async () => {
            this.deliverAll();
            return this.#queues.size === this.#subscribed.size;
          },
          close: () => undefined,
        };
      },
    });
    this.#watches = new InvalidationWatches({ hub, clock, maxQueue: MAX_QUEUE });
    const watch = this.#watches.open('n');
    if (watch === undefined) {
      throw new Error('cannot open a watch: the maximum is reached');
    }
    this.#watch = watch;
  }

  async start(): Promise<void> {
    for (const channel of this.#subscribed) {
      this.#makeLive(channel);
    }
    expect(await this.#watch.start(1_000)).toBe(true);
  }

  fill(key: string): void {
    this.#cached.set(key, this.#current.get(key) ?? 0);
  }

  invalidate(key: string): void {
    this.#countInvalidations([key]);
    this.#publish(localChannelNames.cacheChannel('n', bucketOf(key)), 'names', [key]);
  }

  invalidateTag(): void {
    this.#countInvalidations(TAGGED);
    this.#publish(TAG_CHANNEL, 'names', [TAG]);
  }

  flush(): void {
    this.#countInvalidations(KEYS);
    for (const channel of KEY_CHANNELS) {
      this.#publish(channel, 'flush', []);
    }
  }

  deliver(channel: string): void {
    const message = this.#queues.get(channel)?.shift();
    if (message !== undefined) {
      this.#listener?.onMessage(channel, message);
    }
  }

  deliverAll(): void {
    for (const [channel, queue] of this.#queues) {
      while (queue.length > 0) {
        this.deliver(channel);
      }
    }
  }

  lose(channel: string): void {
    if (this.#queues.delete(channel)) {
      this.#listener?.onLost(channel);
    }
  }

  repair(channel: string): void {
    if (!this.#queues.has(channel)) {
      this.#makeLive(channel);
    }
  }

  /** Delivers all queued events to the application. */
  deliverEvents(): void {
    for (const event of this.#watch.take()) {
      this.#apply(event);
    }
    this.#watch.markDelivered();
    expect(this.#watch.queueLength).toBe(0);
  }

  /** Requests a confirmation. While the request is pending, `act` runs and the stream delivers events. */
  async confirm(act: () => void): Promise<void> {
    const before = new Map(this.#current);
    const confirmed = this.#watches.confirm(this.#watch.id, clock.monotonicMs() + 10_000);
    let isAnswered = false;
    void confirmed.then(() => {
      isAnswered = true;
    });
    act();
    // Within these turns of the event loop, a confirmation that does not wait for the stream would resolve.
    for (let turn = 0; turn < 20; turn += 1) {
      await Promise.resolve();
    }
    while (!isAnswered) {
      this.deliverEvents();
      await Promise.resolve();
    }
    if (await confirmed) {
      this.confirmations += 1;
      const old = [...this.#cached].filter(([key, version]) => version < (before.get(key) ?? 0));
      expect(old).toEqual([]);
    }
  }

  /** Repairs all channels, delivers all messages, and checks the entries of the application. */
  settle(): void {
    for (const channel of CHANNELS) {
      this.repair(channel);
    }
    this.deliverAll();
    expect(this.#watch.queueLength).toBeLessThanOrEqual(MAX_QUEUE);
    this.deliverEvents();
    expect([...this.#cached].filter(([key, version]) => version < (this.#current.get(key) ?? 0))).toEqual([]);
    this.#watch.close();
  }

  #makeLive(channel: string): void {
    this.#queues.set(channel, []);
    this.#listener?.onLive(channel);
  }

  #countInvalidations(keys: readonly string[]): void {
    for (const key of keys) {
      this.#current.set(key, (this.#current.get(key) ?? 0) + 1);
    }
  }

  #publish(channel: string, kind: 'names' | 'flush', names: readonly string[]): void {
    const sequence = (this.#sequences.get(channel) ?? 0) + 1;
    this.#sequences.set(channel, sequence);
    const message = encodeInvalidationMessage({
      kind,
      incarnation: 'incarnat',
      sequence,
      stamp: String(sequence).padStart(8),
      names,
    });
    this.#queues.get(channel)?.push(message);
  }

  #apply(event: WatchEvent): void {
    if (event.kind === 'flush') {
      this.#cached.clear();
      return;
    }
    for (const key of event.kind === 'key' ? [event.key.toString()] : TAGGED) {
      this.#cached.delete(key);
    }
  }
}

type Act = (world: World) => void;

const key = fc.constantFrom(...KEYS);
const channel = fc.constantFrom(...CHANNELS);
const acts = [
  {
    weight: 6,
    arbitrary: key.map(
      (of): Act =>
        (world) =>
          world.fill(of),
    ),
  },
  {
    weight: 4,
    arbitrary: key.map(
      (of): Act =>
        (world) =>
          world.invalidate(of),
    ),
  },
  { weight: 2, arbitrary: fc.constant<Act>((world) => world.invalidateTag()) },
  { weight: 1, arbitrary: fc.constant<Act>((world) => world.flush()) },
  {
    weight: 4,
    arbitrary: channel.map(
      (of): Act =>
        (world) =>
          world.deliver(of),
    ),
  },
  {
    weight: 1,
    arbitrary: channel.map(
      (of): Act =>
        (world) =>
          world.lose(of),
    ),
  },
  {
    weight: 3,
    arbitrary: channel.map(
      (of): Act =>
        (world) =>
          world.repair(of),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Act>((world) => world.deliverEvents()) },
];
const act = fc.oneof(...acts);
const step = fc.oneof(
  { weight: 5, arbitrary: act.map((of) => async (world: World) => of(world)) },
  { weight: 1, arbitrary: act.map((of) => (world: World) => world.confirm(() => of(world))) },
);

test('in random histories, confirmations are right and an application that applies all events has no stale entry', async () => {
  let confirmations = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), async (history) => {
      const world = new World();
      await world.start();
      for (const turn of history) {
        await turn(world);
      }
      world.settle();
      confirmations += world.confirmations;
    }),
    { numRuns: 1_000 },
  );
  expect(confirmations).toBeGreaterThan(1_000);
});
