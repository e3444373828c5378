/**
 * Invalidation channels inside one process: the memory store publishes on them, and the watches subscribe to them. So the same code serves
 * watches with and without Redis.
 *
 * Invariants:
 *   1. A message is handed over before `publish` returns.
 *   2. A subscription is live before `subscribe` returns.
 */
import type { ChannelNames, Subscriber, SubscriberListener } from './subscriber.ts';

/** Names within this process; nothing reads the sequences, because no message can be lost. */
export const localChannelNames: ChannelNames = {
  cacheChannel: (namespace, bucket) => `${namespace}:${bucket}`,
  cacheTagChannel: (namespace, bucket) => `${namespace}:t${bucket}`,
  cacheSequence: (namespace, bucket) => `${namespace}:${bucket}:sequence`,
  cacheTagSequence: (namespace, bucket) => `${namespace}:t${bucket}:sequence`,
};

export class LocalChannels {
  readonly #listeners = new Map<string, Set<SubscriberListener>>();

  /** Whether the channel has a listener; if not, the message need not be encoded. */
  isHeard(channel: string): boolean {
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
