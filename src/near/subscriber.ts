/**
 * Contract between the invalidation hub and the subscriber connections of a store.
 *
 * The Redis module implements this contract without importing it, and `LocalChannels` implements it inside one process.
 * The composition root connects the implementations to the hub.
 */
import type { StoreError } from '../lib/store-error.ts';

/**
 * Receives the events of the channels of one subscriber. Callbacks run in the order in which the store sent the
 * messages.
 */
export interface SubscriberListener {
  /** Receives a message of a live channel. */
  onMessage(channel: string, message: Buffer): void;
  /** Reports that the channel is subscribed. Messages published from now on reach onMessage, until onLost is called. */
  onLive(channel: string): void;
  /**
   * Reports that messages may be missing from now on. The subscriber calls onLive once the channel is subscribed again.
   */
  onLost(channel: string): void;
  /**
   * Receives the reply of a probe of a live channel. At most one probe per channel is in flight. The subscriber drops
   * replies to probes that it sent before the last onLive. All messages published before the server ran the probe have
   * reached onMessage. Messages published later may have reached onMessage too.
   */
  onProbe?(channel: string, reply: unknown): void;
}

export interface Subscriber {
  /**
   * Keeps the channel subscribed until `unsubscribe`; idempotent. `probe` returns a read-only command for the slot of
   * the channel. The subscriber calls this function before it sends each probe, and passes the reply to `onProbe`. A
   * subscriber that cannot lose messages sends no probes.
   */
  subscribe(channel: string, probe?: () => readonly string[]): void;
  unsubscribe(channel: string): void;
  /** Error that prevents some subscriptions until an operator acts; undefined if no such error is known. */
  readonly refusal?: StoreError | undefined;
  /**
   * Resolves to true once three conditions are met. All messages published before this call on subscribed channels have
   * reached onMessage. All subscriptions are intact. Since this call, each server with a subscription has proved to be
   * a master that serves its slots. Resolves to false if one of the conditions has not been verified by `deadlineAtMs`.
   * Never rejects.
   */
  barrier(deadlineAtMs: number): Promise<boolean>;
  close(): void;
}

/**
 * Names of the channels of buckets, and of the sequences that probes read. The Redis keyspace implements this
 * interface.
 */
export interface ChannelNames {
  cacheChannel(namespace: string, bucket: number): string;
  cacheTagChannel(namespace: string, bucket: number): string;
  cacheSequence(namespace: string, bucket: number): string;
  cacheTagSequence(namespace: string, bucket: number): string;
}
