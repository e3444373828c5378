/**
 * Sharded channels of one deployment, each kept subscribed on the master that owns its slot.
 *
 * Promises (`RedisSubscriber` in commands.ts):
 *   1. There is a connection per master that owns at least one channel, and none without channels.
 *   2. `onLive` comes after the server's acknowledgement, `onLost` at once when a connection is lost, a channel is moved, or the
 *      topology names another owner; the repair begins by itself and ends in `onLive`.
 *   3. What node-redis does not notice (a server's sunsubscribe while a command is in flight is swallowed by it) or nobody can (half-open
 *      connections, a master that was replaced) is found by a barrier: by callers' and by our own, every second.
 *   4. A barrier is whole only if each channel is live on a master that passed the checks and that the topology names as the owner now.
 *   5. With our own barriers each channel's probe is sent every 5 s at the latest.
 *   6. While the user is known to lack a permission for subscriptions on a master, nothing is subscribed there and no connection is opened.
 */
import calculateSlot from 'cluster-key-slot';
import { backoffMs } from '../lib/backoff.ts';
import type { StoreError } from '../lib/store-error.ts';
import { addressText, type NodeAddress } from './address.ts';
import type { ChannelProbe, RedisListener, RedisSubscriber } from './commands.ts';
import type { RedisOptions } from './options.ts';
import type { Refusal } from './refusal-log.ts';
import { SubscriberConnection } from './subscriber-connection.ts';

/** A right that is missing is refused for every channel at each attempt; a new topology places them at once all the same. */
const REPAIR = { firstMs: 100, maxMs: 4_000 };
const BARRIER_MS = 1_000;

export interface ChannelSubscriberOptions {
  readonly redis: RedisOptions;
  readonly listener: RedisListener;
  /** The master of a slot, as far as is known. */
  readonly ownerOf: (slot: number) => NodeAddress | undefined;
  readonly wishRefresh: () => void;
  /** Why the user may not subscribe there, as far as is known. */
  readonly refusalOf: (address: NodeAddress) => StoreError | undefined;
  /** The server said so. */
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
  /** What is to be kept subscribed. */
  readonly #channels = new Map<string, { readonly slot: number; readonly probe: ChannelProbe | undefined }>();
  readonly #connections = new Map<string, SubscriberConnection>();
  #repair: NodeJS.Timeout | undefined;
  /** Repairs since a barrier found all channels live. */
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

  /** Of the first master that holds a channel of ours and does not let us subscribe. */
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

  /** The master was reached: connections that wait for their next attempt try now. */
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

  /** The topology is new: channels whose slot has another owner now move there. */
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
    // Lost there before it is live here: the other way round the listener would believe it lost for good.
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
    // Channels are many, masters few: the text of an address is made once for each.
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
