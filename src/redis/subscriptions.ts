/**
 * The channels of one subscriber connection, and whose turn it is to be probed. No I/O.
 *
 * A subscription that ends, and a later one of the same channel, are two objects: whoever holds one sees whether it is still
 * the channel's own (`isCurrent`).
 */
import type { ChannelProbe } from './commands.ts';

export interface Subscription {
  readonly channel: string;
  readonly probe: ChannelProbe | undefined;
  /** Due, asked for (SSUBSCRIBE sent), or live. */
  state: 'due' | 'asked' | 'live';
  /** Its probe was sent and is not answered. */
  isProbed: boolean;
}

export class Subscriptions {
  /** In the order in which they have their turn. */
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

  /** Makes it where there is none. */
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

  /** All start again; returns what they were. */
  renew(): Subscription[] {
    const before = this.all();
    for (const { channel, probe } of before) {
      this.#byChannel.set(channel, { channel, probe, state: 'due', isProbed: false });
    }
    return before;
  }

  /** The next ones, each of which goes to the end of the line; those whose last probe is not answered are left out. */
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
