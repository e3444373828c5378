/**
 * Invalidation channels inside one process: what the memory store publishes on, and a subscriber for it of the same form
 * as Redis'. With it, watching works without Redis by the code that works with it.
 *
 * A message is handed over before `publish` returns, a subscription is live before `subscribe` returns.
 */
import type { RedisSubscriber, SubscriberListener } from '../redis/commands.ts';

export class LocalChannels {
  readonly #listeners = new Map<string, Set<SubscriberListener>>();

  /** Whether anybody would hear; who would not need not encode. */
  isHeard(channel: string): boolean {
    return this.#listeners.has(channel);
  }

  publish(channel: string, message: Buffer): void {
    for (const listener of this.#listeners.get(channel) ?? []) {
      listener.onMessage(channel, message);
    }
  }

  createSubscriber(listener: SubscriberListener): RedisSubscriber {
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
