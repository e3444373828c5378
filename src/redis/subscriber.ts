/**
 * Keeps the sharded channels of one deployment subscribed, each on the master that owns its slot.
 *
 * These invariants apply in addition to the contract of `RedisSubscriber` in commands.ts:
 *   1. There is one connection for each master that owns the slot of a subscribed channel, and no other connection.
 *   2. `onLive` is called after the server has acknowledged the subscription. `onLost` is called at once when a
 *      connection is lost, a channel moves, or the topology names another owner. The subscriber then subscribes to the
 *      channel again and calls `onLive`.
 *   3. Some losses cause no event. node-redis ignores an unsolicited sunsubscribe while a command is in flight.
 *      Half-open connections and replaced masters send nothing. The barriers of callers and a periodic barrier every
 *      second detect these losses.
 *   4. A barrier succeeds only if each channel is live on a master that passed the checks and that the topology names
 *      as its current owner.
 *   5. The periodic barriers send each channel's probe at least every 5 s.
 *   6. While a master is known to refuse subscriptions for lack of permission, the subscriber opens no connection to it
 *      and subscribes to no channel there.
 */
import calculateSlot from 'cluster-key-slot';
import { backoffMs } from '../lib/backoff.ts';
import type { StoreError } from '../lib/store-error.ts';
import { addressText, type NodeAddress } from './address.ts';
import type { ChannelProbe, RedisListener, RedisSubscriber } from './commands.ts';
import type { RedisOptions } from './options.ts';
import type { Refusal } from './refusal-log.ts';
import { SubscriberConnection } from './subscriber-connection.ts';

/**
 * Backoff of the attempts to subscribe to lost channels again. If a permission is missing, Redis refuses every channel
 * in each attempt. After a new topology, channels are assigned at once, without this backoff.
 */
const REPAIR = { firstMs: 100, maxMs: 4_000 };
const BARRIER_MS = 1_000;

export interface ChannelSubscriberOptions {
  readonly redis: RedisOptions;
  readonly listener: RedisListener;
  /** Returns the master of a slot, or undefined if the master is unknown. */
  readonly ownerOf: (slot: number) => NodeAddress | undefined;
  readonly wishRefresh: () => void;
  /** Returns the error if the user is known to lack permission to subscribe on this master. */
  readonly refusalOf: (address: NodeAddress) => StoreError | undefined;
  /** Called when the server refused a subscription for lack of permission. */
  readonly onNotPermitted: (refusal: Refusal) => void;
  readonly onClose: () => void;
}

export class ChannelSubscriber implements RedisSubscriber {
  readonly #redis: RedisOptions;
  readonly #listener: RedisListener;
  readonly #ownerOf: (slot: number) => NodeAddress | undefined;
  readonly #wishRefresh: () => void;
  readonly #refusalOf: (address: NodeAddress) => StoreError | undefined;
  readonly #onNotPermitted: (refusal: Refusal) => void;
  readonly #onClose: () => void;
  /** Channels that must stay subscribed. */
  readonly #channels = new Map<string, { readonly slot: number; readonly probe: ChannelProbe | undefined }>();
  readonly #connections = new Map<string, SubscriberConnection>();
  #repair: NodeJS.Timeout | undefined;
  /** Number of attempts to subscribe to lost channels again since the last successful barrier. */
  #repairs = 0;
  #barrier: NodeJS.Timeout | undefined;
  #isWatchingOver = false;
  #isClosed = false;

  constructor(options: ChannelSubscriberOptions) {
    this.#redis = options.redis;
    this.#listener = options.listener;
    this.#ownerOf = options.ownerOf;
    this.#wishRefresh = options.wishRefresh;
    this.#refusalOf = options.refusalOf;
    this.#onNotPermitted = options.onNotPermitted;
    this.#onClose = options.onClose;
  }

  get hasChannels(): boolean {
    return this.#channels.size > 0;
  }

  /** Error for the first master that refuses a channel for lack of permission. */
  get refusal(): StoreError | undefined {
    for (const { slot } of this.#channels.values()) {
      const owner = this.#ownerOf(slot);
      const refusal = owner === undefined ? undefined : this.#refusalOf(owner);
      if (refusal !== undefined) {
        return refusal;
      }
    }
    return undefined;
  }

  subscribe(channel: string, probe?: ChannelProbe): void {
    if (this.#isClosed || this.#channels.has(channel)) {
      return;
    }
    this.#channels.set(channel, { slot: calculateSlot(channel), probe });
    this.#place(channel);
    this.#startBarriers();
  }

  unsubscribe(channel: string): void {
    if (!this.#channels.delete(channel)) {
      return;
    }
    for (const connection of this.#connections.values()) {
      connection.remove(channel);
    }
    this.#dropIdle();
  }

  barrier(deadlineAtMs: number): Promise<boolean> {
    return this.#overAll((connection) => connection.barrier(deadlineAtMs));
  }

  /** Reconnects waiting connections at once, because another connection has just reached the master. */
  reconnectNow(): void {
    for (const connection of this.#connections.values()) {
      connection.reconnectNow();
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#repair);
    clearInterval(this.#barrier);
    for (const connection of this.#connections.values()) {
      connection.close();
    }
    this.#connections.clear();
    this.#channels.clear();
    this.#onClose();
  }

  /** Handles a new topology: moves channels whose slot has another owner. */
  onTopology(): void {
    if (!this.#isClosed) {
      this.#placeAll();
    }
  }

  #placeAll(): void {
    for (const channel of this.#channels.keys()) {
      this.#place(channel);
    }
    this.#dropIdle();
  }

  async #overAll(ask: (connection: SubscriberConnection) => Promise<boolean>): Promise<boolean> {
    const results = await Promise.all([...this.#connections.values()].map(ask));
    const isIntact = results.every((isWhole) => isWhole) && this.#areAllLive();
    if (isIntact) {
      this.#repairs = 0;
    }
    return isIntact;
  }

  #place(channel: string): void {
    const { slot = 0, probe } = this.#channels.get(channel) ?? {};
    const owner = this.#ownerOf(slot);
    const name = owner === undefined ? undefined : addressText(owner);
    // The channel is lost on the old master before it becomes live on the new one. In the opposite order, the listener
    // would regard the channel as lost.
    for (const [otherName, other] of this.#connections) {
      if (otherName !== name && other.has(channel)) {
        other.lose(channel);
      }
    }
    if (owner === undefined || name === undefined) {
      this.#repairLater();
      return;
    }
    if (this.#refusalOf(owner) !== undefined) {
      this.#connections.get(name)?.lose(channel);
      return;
    }
    let connection = this.#connections.get(name);
    if (connection === undefined) {
      connection = new SubscriberConnection({
        address: owner,
        redis: this.#redis,
        listener: this.#listener,
        onTrouble: () => this.#repairLater(),
        onNotPermitted: this.#onNotPermitted,
      });
      this.#connections.set(name, connection);
    }
    connection.add(channel, probe);
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
      this.#barrier = setInterval(() => void this.#watchOver(), BARRIER_MS);
      this.#barrier.unref();
    }
  }

  async #watchOver(): Promise<void> {
    if (this.#isWatchingOver) {
      return;
    }
    this.#isWatchingOver = true;
    await this.#overAll((connection) => connection.watchOver());
    this.#isWatchingOver = false;
  }

  #dropIdle(): void {
    for (const [name, connection] of this.#connections) {
      if (connection.isIdle) {
        this.#connections.delete(name);
        connection.close();
      }
    }
    if (this.#channels.size === 0) {
      clearInterval(this.#barrier);
      this.#barrier = undefined;
    }
  }

  #areAllLive(): boolean {
    // There are many channels but few masters, so the text of each master's address is built only once.
    const connections = new Map<NodeAddress, SubscriberConnection | undefined>();
    for (const [channel, { slot }] of this.#channels) {
      const owner = this.#ownerOf(slot);
      if (owner !== undefined && !connections.has(owner)) {
        connections.set(owner, this.#connections.get(addressText(owner)));
      }
      if (owner === undefined || connections.get(owner)?.isLive(channel) !== true) {
        return false;
      }
    }
    return true;
  }
}
