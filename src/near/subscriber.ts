/**
 * What the invalidation hub needs of a store that publishes messages: channels to subscribe to, and a listener for what they report.
 *
 * The Redis module implements it without importing it, and `LocalChannels` implements it inside one process. The composition root connects the
 * implementations with the hub.
 */
import type { StoreError } from '../lib/store-error.ts';

/** Receives what happens on the channels of one subscriber. Callbacks run in the order in which the store sent the messages. */
export interface SubscriberListener {
  /** A message of a channel that is live. */
  onMessage(channel: string, message: Buffer): void;
  /** The channel is subscribed from now on: messages published after this reach onMessage, until onLost. */
  onLive(channel: string): void;
  /** Messages may have been missed from now on. onLive follows when the subscription is repaired. */
  onLost(channel: string): void;
  /**
   * The reply of the channel's probe: of a live channel, one at a time, and never of a subscription before the last onLive. Every message
   * published before the server ran the probe has been handed to onMessage; some published after it may have been too.
   */
  onProbe?(channel: string, reply: unknown): void;
}

export interface Subscriber {
  /**
   * Begins to keep the channel subscribed; idempotent. `probe` returns one command that only reads and is in the slot of the channel. It is called
   * each time the command is sent, and the reply goes to `onProbe`. A store that cannot lose messages sends none.
   */
  subscribe(channel: string, probe?: () => readonly string[]): void;
  unsubscribe(channel: string): void;
  /** Why some of its channels are not subscribed until an operator acts; undefined if no reason is known. */
  readonly refusal?: StoreError | undefined;
  /**
   * Resolves true when every message published before this call on any subscribed channel has been handed to onMessage,
   * every subscription is known to be intact, and every server that holds one has proved since to be a master that serves its slots.
   * Resolves false if that is not known by `deadlineAtMs`. Never rejects.
   */
  barrier(deadlineAtMs: number): Promise<boolean>;
  close(): void;
}

/** Names the channels of the buckets, and the sequences beside them that probes read. The keyspace of Redis has these functions, too. */
export interface ChannelNames {
  cacheChannel(namespace: string, bucket: number): string;
  cacheTagChannel(namespace: string, bucket: number): string;
  cacheSequence(namespace: string, bucket: number): string;
  cacheTagSequence(namespace: string, bucket: number): string;
}
