/**
 * Which channels this process listens to, on whose behalf, and what they said: between the subscriber on one side, the near
 * cache and the watches on the other.
 *
 * Promises:
 *   1. There is a subscriber only while a channel is in use. A channel is in use while a watch holds its namespace, or near
 *      copies used it within `idleMs`.
 *   2. `nearChannelCount` is the number of channels that near copies use (`nearUsedAtMs`), `maxNearChannels` at most; where there is no
 *      room they go without. A channel that a watch holds is not in near use by that, though a hit may bring it back into it.
 *   3. Listeners receive an event before the subscriber hands over the next one. Of probes and reads they receive only what invalidates a bucket.
 *   4. `Channel.changedAt` grows with every event that they receive, and `now()` is never less than any of them: a fill that
 *      noted `now()` when its read was sent sees whether anything was said since.
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
  /** Whether its names are tags; else they are keys. */
  readonly isTag: boolean;
  readonly state: BucketReads;
  changedAt: number;
  /** When near copies last had use for it, monotonic; undefined: they have none. */
  nearUsedAtMs: number | undefined;
  watchCount: number;
  /** What the probe that was made last asks. */
  question: BucketQuestion | undefined;
}

export interface HubListener {
  /** `event` is what happened, `action` what follows for copies. */
  onChannel(channel: Channel, event: BusEvent, action: BusAction): void;
}

export interface InvalidationHubOptions {
  readonly clock: Clock;
  readonly channelNames: ChannelNames;
  readonly createSubscriber: (listener: SubscriberListener) => Subscriber;
  /** Channels that near copies may keep subscribed. */
  readonly maxNearChannels?: number;
  /** A channel without use by near copies is given up after this long. */
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

  /** The count of events so far. */
  now(): number {
    return this.#eventCount;
  }

  /** The channel, kept subscribed for near copies from now on; undefined where there is no room for another. */
  useForNear(namespace: string, bucket: number, isTag: boolean): Channel | undefined {
    const known = this.#channels.get(this.#nameOf(namespace, bucket, isTag));
    const hasRoom = this.#nearChannelCount < this.#maxNearChannels && !this.#closed;
    if (known?.nearUsedAtMs === undefined && !hasRoom) {
      return undefined;
    }
    const channel = known ?? this.#open(namespace, bucket, isTag);
    this.touch(channel, this.#clock.monotonicMs());
    return channel;
  }

  /** A copy of the channel was used. One that near copies had given up is theirs again where there is room. */
  touch(channel: Channel, nowMs: number): void {
    if (channel.nearUsedAtMs === undefined) {
      if (this.#nearChannelCount >= this.#maxNearChannels || this.#channels.get(channel.name) !== channel) {
        return;
      }
      this.#nearChannelCount += 1;
    }
    channel.nearUsedAtMs = nowMs;
  }

  /** What was known of the channel when a read is sent; for `admits`. */
  sentAt(channel: Channel): SentAt | undefined {
    const { known } = channel.state;
    return known === undefined ? undefined : { incarnation: known.incarnation, number: known.number };
  }

  /**
   * Whether a read that came back with this mark may leave a copy. Its channel has been live since it was sent, in one generation. A mark
   * that proves that the history is another one invalidates the bucket.
   */
  admits(channel: Channel, mark: BucketMark, sentAt: SentAt | undefined): boolean {
    return this.#apply(channel, { kind: 'read', mark, sentAt }).kind === 'none';
  }

  /** Keeps all channels of a namespace subscribed for a watch, until `releaseNamespace`; gives them back. */
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

  /** See Subscriber.refusal. */
  get refusal(): StoreError | undefined {
    return this.#subscriber?.refusal;
  }

  /** See Subscriber.barrier. */
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
      // What a subscriber that was closed still says is not about the channels of its successor.
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
