/**
 * Manages the invalidation channels of this process. The hub subscribes to the channels that the near cache and the
 * watches use, and passes the events of these channels to its listeners.
 *
 * Invariants:
 *   1. The hub has a subscriber only while a channel is in use. A channel is in use while a watch of its namespace is
 *      open, or if the near cache has used the channel within `idleMs`.
 *   2. `nearChannelCount` is the number of channels that the near cache uses (`nearUsedAtMs`), and never exceeds
 *      `maxNearChannels`. The near cache does not cache values of further buckets. A watch of a channel does not count
 *      as a use by the near cache.
 *   3. Listeners receive each event before the subscriber delivers the next event. Listeners receive a probe or a read
 *      only if the probe or read invalidates the bucket.
 *   4. `Channel.changedAt` increases with every event that listeners receive, and never exceeds `now()`. So a caller
 *      that calls `now()` when it sends a read can detect later events of a channel.
 */
import type { Clock } from '../lib/clock.ts';
import { BUCKET_COUNT } from '../lib/key-hash.ts';
import type { StoreError } from '../lib/store-error.ts';
import type { BucketMark } from './bucket-mark.ts';
import { type BucketQuestion, decodeAnswer, probeCommand } from './bucket-probe.ts';
import {
  applyBusEvent,
  type BucketReads,
  type BusAction,
  type BusEvent,
  createBucketReads,
  createQuestion,
  type SentAt,
} from './bus.ts';
import { decodeInvalidationMessage } from './invalidation-message.ts';
import type { ChannelNames, Subscriber, SubscriberListener } from './subscriber.ts';

export interface Channel {
  readonly name: string;
  readonly namespace: string;
  /** Whether the names in the messages of the channel are tags instead of keys. */
  readonly isTag: boolean;
  readonly state: BucketReads;
  changedAt: number;
  /** Monotonic time of the last use by the near cache; undefined if the near cache does not use the channel. */
  nearUsedAtMs: number | undefined;
  watchCount: number;
  /** Known position of the bucket when the last probe was sent. */
  question: BucketQuestion | undefined;
}

export interface HubListener {
  /** Receives an event of a channel, and the action that the listener must execute on its entries. */
  onChannel(channel: Channel, event: BusEvent, action: BusAction): void;
}

export interface InvalidationHubOptions {
  readonly clock: Clock;
  readonly channelNames: ChannelNames;
  readonly createSubscriber: (listener: SubscriberListener) => Subscriber;
  /** Maximum number of channels that the near cache keeps subscribed. */
  readonly maxNearChannels?: number;
  /** Idle time, since the last use by the near cache, after which the hub unsubscribes a channel. */
  readonly idleMs?: number;
}

const MAX_NEAR_CHANNELS = 4_096;
const IDLE_MS = 60_000;

export class InvalidationHub {
  readonly #clock: Clock;
  readonly #channelNames: ChannelNames;
  readonly #createSubscriber: (listener: SubscriberListener) => Subscriber;
  readonly #maxNearChannels: number;
  readonly #idleMs: number;
  readonly #channels = new Map<string, Channel>();
  readonly #listeners: HubListener[] = [];
  #nearChannelCount = 0;
  #subscriber: Subscriber | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #subscriberCount = 0;
  #eventCount = 0;
  #closed = false;

  constructor(options: InvalidationHubOptions) {
    this.#clock = options.clock;
    this.#channelNames = options.channelNames;
    this.#createSubscriber = options.createSubscriber;
    this.#maxNearChannels = options.maxNearChannels ?? MAX_NEAR_CHANNELS;
    this.#idleMs = options.idleMs ?? IDLE_MS;
  }

  get nearChannelCount(): number {
    return this.#nearChannelCount;
  }

  get hasSubscriber(): boolean {
    return this.#subscriber !== undefined;
  }

  addListener(listener: HubListener): void {
    this.#listeners.push(listener);
  }

  /** Returns the number of events so far. */
  now(): number {
    return this.#eventCount;
  }

  /**
   * Keeps the channel of the bucket subscribed for the near cache, and returns the channel. Returns undefined if the
   * maximum is reached.
   */
  useForNear(namespace: string, bucket: number, isTag: boolean): Channel | undefined {
    const known = this.#channels.get(this.#nameOf(namespace, bucket, isTag));
    const canAdd = this.#nearChannelCount < this.#maxNearChannels && !this.#closed;
    if (known?.nearUsedAtMs === undefined && !canAdd) {
      return undefined;
    }
    const channel = known ?? this.#open(namespace, bucket, isTag);
    this.touch(channel, this.#clock.monotonicMs());
    return channel;
  }

  /**
   * Records a near-cache hit. If the near cache has stopped using the channel, the hit starts a new use unless the
   * maximum is reached.
   */
  touch(channel: Channel, nowMs: number): void {
    if (channel.nearUsedAtMs === undefined) {
      if (this.#nearChannelCount >= this.#maxNearChannels || this.#channels.get(channel.name) !== channel) {
        return;
      }
      this.#nearChannelCount += 1;
    }
    channel.nearUsedAtMs = nowMs;
  }

  /**
   * Returns the known position of the channel. Callers call this method when they send a read, and pass the result to
   * `admits`.
   */
  sentAt(channel: Channel): SentAt | undefined {
    const { known } = channel.state;
    return known === undefined ? undefined : { incarnation: known.incarnation, number: known.number };
  }

  /**
   * Returns whether the near cache may cache the result of a read with this mark. The channel must have been live,
   * without a change of its generation, since the read was sent. A mark that belongs to another history invalidates the
   * bucket.
   */
  admits(channel: Channel, mark: BucketMark, sentAt: SentAt | undefined): boolean {
    return this.#apply(channel, { kind: 'read', mark, sentAt }).kind === 'none';
  }

  /** Keeps all channels of a namespace subscribed for a watch until `releaseNamespace`, and returns them. */
  holdNamespace(namespace: string): Channel[] {
    const channels: Channel[] = [];
    for (const isTag of [false, true]) {
      for (let bucket = 0; bucket < BUCKET_COUNT; bucket += 1) {
        const name = this.#nameOf(namespace, bucket, isTag);
        const channel = this.#channels.get(name) ?? this.#open(namespace, bucket, isTag);
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

  /** Same as Subscriber.refusal. */
  get refusal(): StoreError | undefined {
    return this.#subscriber?.refusal;
  }

  /** Same as Subscriber.barrier; resolves to false if there is no subscriber. */
  barrier(deadlineAtMs: number): Promise<boolean> {
    return this.#subscriber?.barrier(deadlineAtMs) ?? Promise.resolve(false);
  }

  /** Unsubscribes channels that the near cache has not used for `idleMs`. A timer calls this method. */
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

  #open(namespace: string, bucket: number, isTag: boolean): Channel {
    const name = this.#nameOf(namespace, bucket, isTag);
    const channel: Channel = {
      name,
      namespace,
      isTag,
      state: createBucketReads(),
      changedAt: this.#eventCount,
      nearUsedAtMs: undefined,
      watchCount: 0,
      question: undefined,
    };
    if (this.#closed) {
      return channel;
    }
    this.#channels.set(name, channel);
    this.#ensureSubscriber().subscribe(name, () => {
      channel.question = createQuestion(channel.state);
      return probeCommand(this.#sequenceOf(namespace, bucket, isTag), channel.question);
    });
    return channel;
  }

  #ensureSubscriber(): Subscriber {
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
    const receive = (name: string, eventOf: (channel: Channel) => BusEvent | undefined) => {
      const channel = this.#channels.get(name);
      // Ignores events of a closed subscriber, because the subscriber that replaced it may have the same channels.
      const event = channel !== undefined && ownCount === this.#subscriberCount ? eventOf(channel) : undefined;
      if (channel !== undefined && event !== undefined) {
        this.#apply(channel, event);
      }
    };
    return {
      onMessage: (name, message) =>
        receive(name, () => ({ kind: 'message', message: decodeInvalidationMessage(message) })),
      onLive: (name) => receive(name, () => ({ kind: 'live' })),
      onLost: (name) => receive(name, () => ({ kind: 'lost' })),
      onProbe: (name, reply) =>
        receive(name, ({ question }) => {
          return question && { kind: 'probe', question, answer: decodeAnswer(reply, question) };
        }),
    };
  }

  #apply(channel: Channel, event: BusEvent): BusAction {
    const action = applyBusEvent(channel.state, event);
    const isNews = (event.kind !== 'probe' && event.kind !== 'read') || action.kind === 'flush';
    if (!isNews) {
      return action;
    }
    this.#eventCount += 1;
    channel.changedAt = this.#eventCount;
    for (const listener of this.#listeners) {
      listener.onChannel(channel, event, action);
    }
    return action;
  }

  #closeIfUnused(channel: Channel): void {
    if (channel.watchCount > 0 || channel.nearUsedAtMs !== undefined || this.#channels.get(channel.name) !== channel) {
      return;
    }
    // The channel will receive no more messages, so its entries must be dropped.
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
    return isTag
      ? this.#channelNames.cacheTagChannel(namespace, bucket)
      : this.#channelNames.cacheChannel(namespace, bucket);
  }

  #sequenceOf(namespace: string, bucket: number, isTag: boolean): string {
    return isTag
      ? this.#channelNames.cacheTagSequence(namespace, bucket)
      : this.#channelNames.cacheSequence(namespace, bucket);
  }
}
