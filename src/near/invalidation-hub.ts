/**
 * Which channels this process listens to, on whose behalf, and what they said: between the subscriber on one side, the near
 * cache and the watches on the other.
 *
 * Promises:
 *   1. There is a subscriber only while a channel is wanted. A channel is wanted while a watch holds its namespace, or near
 *      copies used it within `idleMs`.
 *   2. Near copies want `maxNearChannels` at most; where there is no room they go without.
 *   3. Listeners hear of an event before the subscriber hands over the next one.
 *   4. `Channel.changedAt` grows with every event of the channel, and `now()` is never less than any of them: a fill that
 *      noted `now()` when its read was sent sees whether anything was said since.
 */
import type { Clock } from '../lib/clock.ts';
import type { RedisSubscriber, SubscriberListener } from '../redis/commands.ts';
import { BUCKET_COUNT, type Keyspace } from '../redis/keyspace.ts';
import { applyBusEvent, type BucketState, type BusAction, type BusEvent, createBucketState } from './bus.ts';
import { decodeInvalidationMessage } from './invalidation-message.ts';

export interface Channel {
  readonly name: string;
  readonly namespace: string;
  /** Whether its names are tags; else they are keys. */
  readonly isTag: boolean;
  readonly state: BucketState;
  changedAt: number;
  /** When near copies last had use for it, monotonic; undefined: they have none. */
  nearUsedAtMs: number | undefined;
  watchCount: number;
}

export interface HubListener {
  /** `event` is what happened, `action` what follows for copies. */
  onChannel(channel: Channel, event: BusEvent, action: BusAction): void;
}

export interface InvalidationHubOptions {
  readonly clock: Clock;
  readonly keyspace: Keyspace;
  readonly createSubscriber: (listener: SubscriberListener) => RedisSubscriber;
  /** Channels that near copies may keep subscribed. */
  readonly maxNearChannels?: number;
  /** A channel without use by near copies is given up after this long. */
  readonly idleMs?: number;
}

const MAX_NEAR_CHANNELS = 4_096;
const IDLE_MS = 60_000;

export class InvalidationHub {
  readonly #clock: Clock;
  readonly #keyspace: Keyspace;
  readonly #createSubscriber: (listener: SubscriberListener) => RedisSubscriber;
  readonly #maxNearChannels: number;
  readonly #idleMs: number;
  readonly #channels = new Map<string, Channel>();
  readonly #listeners: HubListener[] = [];
  #nearChannelCount = 0;
  #subscriber: RedisSubscriber | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #subscriberCount = 0;
  #eventCount = 0;
  #closed = false;

  constructor(options: InvalidationHubOptions) {
    this.#clock = options.clock;
    this.#keyspace = options.keyspace;
    this.#createSubscriber = options.createSubscriber;
    this.#maxNearChannels = options.maxNearChannels ?? MAX_NEAR_CHANNELS;
    this.#idleMs = options.idleMs ?? IDLE_MS;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  get hasSubscriber(): boolean {
    return this.#subscriber !== undefined;
  }

  addListener(listener: HubListener): void {
    this.#listeners.push(listener);
  }

  /** The count of events so far. */
  now(): number {
    return this.#eventCount;
  }

  /** The channel, kept subscribed for near copies from now on; undefined where there is no room for another. */
  useForNear(namespace: string, bucket: number, isTag: boolean): Channel | undefined {
    const name = this.#nameOf(namespace, bucket, isTag);
    const known = this.#channels.get(name);
    if (known?.nearUsedAtMs === undefined) {
      if (this.#nearChannelCount >= this.#maxNearChannels || this.#closed) {
        return undefined;
      }
      this.#nearChannelCount += 1;
    }
    const channel = known ?? this.#open(name, namespace, isTag);
    channel.nearUsedAtMs = this.#clock.monotonicMs();
    return channel;
  }

  /** Keeps all channels of a namespace subscribed for a watch, until `releaseNamespace`; gives them back. */
  holdNamespace(namespace: string): Channel[] {
    const channels: Channel[] = [];
    for (const isTag of [false, true]) {
      for (let bucket = 0; bucket < BUCKET_COUNT; bucket += 1) {
        const name = this.#nameOf(namespace, bucket, isTag);
        const channel = this.#channels.get(name) ?? this.#open(name, namespace, isTag);
        channel.watchCount += 1;
        channels.push(channel);
      }
    }
    return channels;
  }

  releaseNamespace(channels: readonly Channel[]): void {
    for (const channel of channels) {
      channel.watchCount -= 1;
      this.#closeIfUnused(channel);
    }
    this.#closeSubscriberIfUnused();
  }

  /** See RedisSubscriber.barrier. */
  barrier(deadlineAtMs: number): Promise<boolean> {
    return this.#subscriber?.barrier(deadlineAtMs) ?? Promise.resolve(false);
  }

  /** Gives up what near copies have not used for a while; runs by itself. */
  sweep(): void {
    const oldestMs = this.#clock.monotonicMs() - this.#idleMs;
    for (const channel of [...this.#channels.values()]) {
      if (channel.nearUsedAtMs !== undefined && channel.nearUsedAtMs <= oldestMs) {
        channel.nearUsedAtMs = undefined;
        this.#nearChannelCount -= 1;
        this.#closeIfUnused(channel);
      }
    }
    this.#closeSubscriberIfUnused();
  }

  close(): void {
    this.#closed = true;
    for (const channel of [...this.#channels.values()]) {
      this.#apply(channel, { kind: 'lost' });
    }
    this.#channels.clear();
    this.#closeSubscriberIfUnused();
  }

  #open(name: string, namespace: string, isTag: boolean): Channel {
    const channel: Channel = {
      name,
      namespace,
      isTag,
      state: createBucketState(),
      changedAt: this.#eventCount,
      nearUsedAtMs: undefined,
      watchCount: 0,
    };
    if (this.#closed) {
      return channel;
    }
    this.#channels.set(name, channel);
    this.#ensureSubscriber().subscribe(name);
    return channel;
  }

  #ensureSubscriber(): RedisSubscriber {
    if (this.#subscriber === undefined) {
      this.#subscriber = this.#createSubscriber(this.#createListener());
      this.#sweepTimer = setInterval(() => this.sweep(), Math.max(1_000, this.#idleMs / 4));
      this.#sweepTimer.unref();
    }
    return this.#subscriber;
  }

  #createListener(): SubscriberListener {
    this.#subscriberCount += 1;
    const ownCount = this.#subscriberCount;
    const hear = (name: string, event: BusEvent) => {
      const channel = this.#channels.get(name);
      // What a subscriber that was closed still says is not about the channels of its successor.
      if (channel !== undefined && ownCount === this.#subscriberCount) {
        this.#apply(channel, event);
      }
    };
    return {
      onMessage: (name, message) => hear(name, { kind: 'message', message: decodeInvalidationMessage(message) }),
      onLive: (name) => hear(name, { kind: 'live' }),
      onLost: (name) => hear(name, { kind: 'lost' }),
    };
  }

  #apply(channel: Channel, event: BusEvent): void {
    const action = applyBusEvent(channel.state, event);
    this.#eventCount += 1;
    channel.changedAt = this.#eventCount;
    for (const listener of this.#listeners) {
      listener.onChannel(channel, event, action);
    }
  }

  #closeIfUnused(channel: Channel): void {
    if (channel.watchCount > 0 || channel.nearUsedAtMs !== undefined || this.#channels.get(channel.name) !== channel) {
      return;
    }
    // Nobody listens from here on, so no copy may stay.
    this.#apply(channel, { kind: 'lost' });
    this.#channels.delete(channel.name);
    this.#subscriber?.unsubscribe(channel.name);
  }

  #closeSubscriberIfUnused(): void {
    if (this.#channels.size > 0 || this.#subscriber === undefined) {
      return;
    }
    clearInterval(this.#sweepTimer);
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    subscriber.close();
  }

  #nameOf(namespace: string, bucket: number, isTag: boolean): string {
    return isTag ? this.#keyspace.cacheTagChannel(namespace, bucket) : this.#keyspace.cacheChannel(namespace, bucket);
  }
}
