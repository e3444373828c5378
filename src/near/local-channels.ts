/**
 * Provides invalidation channels inside one process. The memory store publishes on these channels, and watches
 * subscribe to them. So the same code serves watches with and without Redis.
 *
 * Invariants:
 *   1. Every listener has received a message before `publish` returns.
 *   2. A subscription is live before `subscribe` returns.
 */
import type { ChannelNames, Subscriber, SubscriberListener } from './subscriber.ts';

/**
 * Channel names within this process. Sequences need no names, because no message can be lost and no probe reads a
 * sequence.
 */
export const localChannelNames: ChannelNames = {
  cacheChannel: (namespace, bucket) => `${namespace}:${bucket}`,
  cacheTagChannel: (namespace, bucket) => `${namespace}:t${bucket}`,
  cacheSequence: (namespace, bucket) => `${namespace}:${bucket}:sequence`,
  cacheTagSequence: (namespace, bucket) => `${namespace}:t${bucket}:sequence`,
};

export class LocalChannels {
  readonly #listeners = new Map<string, Set<SubscriberListener>>();

  /** Returns whether the channel has a listener, so that publishers need not encode messages without receivers. */
  hasListener(channel: string): boolean {
    return this.#listeners.has(channel);
  }

  publish(channel: string, message: Buffer): void {
    for (const listener of this.#listeners.get(channel) ?? []) {
      listener.onMessage(channel, message);
    }
  }

  createSubscriber(listener: SubscriberListener): Subscriber {
    const channels = new Set<string>();
    return {
      subscribe: (channel) => {
        if (channels.has(channel)) {
          return;
        }
        channels.add(channel);
        this.#add(channel, listener);
        listener.onLive(channel);
      },
      unsubscribe: (channel) => {
        channels.delete(channel);
        this.#remove(channel, listener);
      },
      barrier: () => Promise.resolve(true),
      close: () => {
        for (const channel of channels) {
          this.#remove(channel, listener);
        }
        channels.clear();
      },
    };
  }

  #add(channel: string, listener: SubscriberListener): void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(channel, listeners);
  }

  #remove(channel: string, listener: SubscriberListener): void {
    const listeners = this.#listeners.get(channel);
    if (listeners?.delete(listener) === true && listeners.size === 0) {
      this.#listeners.delete(channel);
    }
  }
}
