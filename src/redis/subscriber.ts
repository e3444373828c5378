/**
 * Sharded channels of one deployment, each kept subscribed on the master that owns its slot.
 *
 * Promises (`RedisSubscriber` in commands.ts):
 *   1. There is a connection per master that owns at least one channel, and none without channels.
 *   2. `onLive` comes after the server's acknowledgement, `onLost` at once when a connection is lost, a channel is moved, or the
 *      topology names another owner; the repair begins by itself and ends in `onLive`.
 *   3. What node-redis does not notice (a server's sunsubscribe while a command is in flight is swallowed by it) or nobody can (half-open
 *      connections) is found by a barrier: by callers' and by our own, every second.
 */
import calculateSlot from 'cluster-key-slot';
import { backoffMs } from '../lib/backoff.ts';
import { addressText, type NodeAddress } from './address.ts';
import type { RedisSubscriber, SubscriberListener } from './commands.ts';
import type { RedisOptions } from './options.ts';
import { SubscriberConnection } from './subscriber-connection.ts';

/** A right that is missing is refused for every channel at each attempt; a new topology places them at once all the same. */
const REPAIR = { firstMs: 150, maxMs: 2_400 };
const BARRIER_MS = 1_000;

export interface ChannelSubscriberOptions {
  readonly redis: RedisOptions;
  readonly listener: SubscriberListener;
  /** The master of a slot, as far as is known. */
  readonly ownerOf: (slot: number) => NodeAddress | undefined;
  readonly wishRefresh: () => void;
  readonly onClose: () => void;
}

export class ChannelSubscriber implements RedisSubscriber {
  readonly #redis: RedisOptions;
  readonly #listener: SubscriberListener;
  readonly #ownerOf: (slot: number) => NodeAddress | undefined;
  readonly #wishRefresh: () => void;
  readonly #onClose: () => void;
  /** Wanted channels and their slots. */
  readonly #slots = new Map<string, number>();
  readonly #connections = new Map<string, SubscriberConnection>();
  #repair: NodeJS.Timeout | undefined;
  /** Repairs since a barrier found all channels live. */
  #repairs = 0;
  #barrier: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ChannelSubscriberOptions) {
    this.#redis = options.redis;
    this.#listener = options.listener;
    this.#ownerOf = options.ownerOf;
    this.#wishRefresh = options.wishRefresh;
    this.#onClose = options.onClose;
  }

  get hasChannels(): boolean {
    return this.#slots.size > 0;
  }

  subscribe(channel: string): void {
    if (this.#isClosed || this.#slots.has(channel)) {
      return;
    }
    this.#slots.set(channel, calculateSlot(channel));
    this.#place(channel);
    this.#startBarriers();
  }

  unsubscribe(channel: string): void {
    if (!this.#slots.delete(channel)) {
      return;
    }
    for (const connection of this.#connections.values()) {
      connection.remove(channel);
    }
    this.#dropIdle();
  }

  async barrier(deadlineAtMs: number): Promise<boolean> {
    const connections = [...this.#connections.values()];
    const results = await Promise.all(connections.map((connection) => connection.barrier(deadlineAtMs)));
    const isIntact = results.every((isWhole) => isWhole) && this.#areAllLive();
    if (isIntact) {
      this.#repairs = 0;
    }
    return isIntact;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#repair);
    clearInterval(this.#barrier);
    for (const connection of this.#connections.values()) {
      connection.close();
    }
    this.#connections.clear();
    this.#slots.clear();
    this.#onClose();
  }

  /** The topology is new: channels whose slot has another owner now move there. */
  onTopology(): void {
    if (!this.#isClosed) {
      this.#placeAll();
    }
  }

  #placeAll(): void {
    for (const channel of this.#slots.keys()) {
      this.#place(channel);
    }
    this.#dropIdle();
  }

  #place(channel: string): void {
    const owner = this.#ownerOf(this.#slots.get(channel) ?? 0);
    if (owner === undefined) {
      this.#repairLater();
      return;
    }
    const name = addressText(owner);
    // Lost there before it is live here: the other way round the listener would believe it lost for good.
    for (const [otherName, other] of this.#connections) {
      if (otherName !== name && other.has(channel)) {
        other.lose(channel);
      }
    }
    let connection = this.#connections.get(name);
    if (connection === undefined) {
      connection = new SubscriberConnection({
        address: owner,
        redis: this.#redis,
        listener: this.#listener,
        onTrouble: () => this.#repairLater(),
      });
      this.#connections.set(name, connection);
    }
    connection.add(channel);
  }

  #repairLater(): void {
    if (this.#isClosed || this.#repair !== undefined) {
      return;
    }
    this.#wishRefresh();
    this.#repair = setTimeout(
      () => {
        this.#repair = undefined;
        this.#placeAll();
      },
      backoffMs(this.#repairs, REPAIR),
    );
    this.#repair.unref();
    this.#repairs += 1;
  }

  #startBarriers(): void {
    if (this.#barrier === undefined) {
      this.#barrier = setInterval(() => {
        void this.barrier(this.#redis.clock.monotonicMs() + this.#redis.commandTimeoutMs);
      }, BARRIER_MS);
      this.#barrier.unref();
    }
  }

  #dropIdle(): void {
    for (const [name, connection] of this.#connections) {
      if (connection.isIdle) {
        this.#connections.delete(name);
        connection.close();
      }
    }
    if (this.#slots.size === 0) {
      clearInterval(this.#barrier);
      this.#barrier = undefined;
    }
  }

  #areAllLive(): boolean {
    const connections = [...this.#connections.values()];
    return [...this.#slots.keys()].every((channel) => connections.some((connection) => connection.isLive(channel)));
  }
}
