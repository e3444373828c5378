/**
 * Stores the channels of one subscriber connection, in the order in which the channels are probed. No I/O.
 *
 * An ended subscription and a later subscription to the same channel are separate objects. `isCurrent` returns whether
 * an object is the latest subscription to its channel.
 */
import type { ChannelProbe } from './commands.ts';

export interface Subscription {
  readonly channel: string;
  readonly probe: ChannelProbe | undefined;
  /** State of the channel; `asked` means that SSUBSCRIBE was sent but not answered yet. */
  state: 'due' | 'asked' | 'live';
  /** Whether the probe has been sent but not answered yet. */
  isProbed: boolean;
}

export class Subscriptions {
  /** Subscriptions in the order in which they are probed. */
  readonly #byChannel = new Map<string, Subscription>();

  get size(): number {
    return this.#byChannel.size;
  }

  get(channel: string): Subscription | undefined {
    return this.#byChannel.get(channel);
  }

  isCurrent(subscription: Subscription): boolean {
    return this.#byChannel.get(subscription.channel) === subscription;
  }

  all(): Subscription[] {
    return [...this.#byChannel.values()];
  }

  /** Adds the channel unless it is present. */
  add(channel: string, probe: ChannelProbe | undefined): void {
    if (!this.#byChannel.has(channel)) {
      this.#byChannel.set(channel, { channel, probe, state: 'due', isProbed: false });
    }
  }

  delete(channel: string): boolean {
    return this.#byChannel.delete(channel);
  }

  clear(): void {
    this.#byChannel.clear();
  }

  /** Resets all channels to `due` and returns their previous states. */
  renew(): Subscription[] {
    const before = this.all();
    for (const { channel, probe } of before) {
      this.#byChannel.set(channel, { channel, probe, state: 'due', isProbed: false });
    }
    return before;
  }

  /**
   * Returns the next subscriptions to probe and moves them to the end of the list. Subscriptions with an unanswered
   * probe are skipped.
   */
  takeTurns(count: number): Subscription[] {
    const next: Subscription[] = [];
    for (const subscription of this.#byChannel.values()) {
      if (next.length === count) {
        break;
      }
      if (!subscription.isProbed) {
        next.push(subscription);
      }
    }
    for (const subscription of next) {
      this.#byChannel.delete(subscription.channel);
      this.#byChannel.set(subscription.channel, subscription);
    }
    return next;
  }
}
