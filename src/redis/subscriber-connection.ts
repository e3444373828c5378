/**
 * The subscriptions of one master: one connection that is opened when the first channel is added, and opened anew while it has any.
 *
 * Every channel is wanted, asked for (SSUBSCRIBE sent) or live. Whatever goes wrong makes its channels lost and wanted again.
 */
import { backoffMs } from '../lib/backoff.ts';
import { addressText, type NodeAddress } from './address.ts';
import { type OpenClient, openClient } from './client.ts';
import type { SubscriberListener } from './commands.ts';
import type { RedisOptions } from './options.ts';

const BACKOFF = { firstMs: 25, maxMs: 250 };
/** A connection that was lost sooner counts as another failed attempt. */
const STABLE_MS = 1_000;

export interface SubscriberConnectionOptions {
  readonly address: NodeAddress;
  readonly redis: RedisOptions;
  readonly listener: SubscriberListener;
  /** The connection or a channel of it failed: the topology may have changed. */
  readonly onTrouble: () => void;
}

type ChannelState = 'wanted' | 'asked' | 'live';

export class SubscriberConnection {
  readonly #address: NodeAddress;
  readonly #redis: RedisOptions;
  readonly #listener: SubscriberListener;
  readonly #onTrouble: () => void;
  readonly #channels = new Map<string, ChannelState>();
  /** SUNSUBSCRIBE was sent and is not answered. */
  readonly #leaving = new Set<string>();
  #client: OpenClient | undefined;
  #retry: NodeJS.Timeout | undefined;
  #attempt = 0;
  #openedAtMs = 0;
  #isOpening = false;
  #isClosed = false;

  constructor(options: SubscriberConnectionOptions) {
    this.#address = options.address;
    this.#redis = options.redis;
    this.#listener = options.listener;
    this.#onTrouble = options.onTrouble;
  }

  get isIdle(): boolean {
    return this.#channels.size === 0;
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  isLive(channel: string): boolean {
    return this.#channels.get(channel) === 'live';
  }

  add(channel: string): void {
    if (!this.#channels.has(channel)) {
      this.#channels.set(channel, 'wanted');
    }
    if (this.#client !== undefined) {
      void this.#ask(channel, this.#client);
    } else {
      this.#open();
    }
  }

  /** No longer wanted here. */
  remove(channel: string): void {
    const state = this.#channels.get(channel);
    this.#channels.delete(channel);
    const client = this.#client;
    if (client === undefined || state === undefined || state === 'wanted') {
      return;
    }
    // Asked for again before SUNSUBSCRIBE is answered, node-redis would take the channel for subscribed and send nothing.
    this.#leaving.add(channel);
    const left = () => {
      if (client === this.#client && this.#leaving.delete(channel)) {
        void this.#ask(channel, client);
      }
    };
    client.sUnsubscribe(channel).then(left, left);
  }

  /** No longer this node's: it is lost until another node has it. */
  lose(channel: string): void {
    const wasLive = this.isLive(channel);
    this.remove(channel);
    if (wasLive) {
      this.#listener.onLost(channel);
    }
  }

  /**
   * Whether everything that the node had published to us before this has arrived, and it still has all our subscriptions. Where
   * it has not, or says nothing for `commandTimeoutMs`, the connection is given up: its channels are lost, and are subscribed anew.
   */
  async barrier(deadlineAtMs: number): Promise<boolean> {
    const client = this.#client;
    if (client === undefined) {
      return this.isIdle;
    }
    // Replies come in order: what was asked for before this is counted by the server unless it refused, what comes after is not.
    const counted = [...this.#channels].filter(([, state]) => state !== 'wanted').map(([channel]) => channel);
    const info = this.#clientInfo(client);
    const text = await this.#inTime(info, deadlineAtMs);
    if (text === undefined || client !== this.#client) {
      return false;
    }
    const expected = counted.filter((channel) => this.#channels.has(channel)).length;
    const subscriptions = Number(/\bssub=(\d+)/.exec(text)?.[1] ?? Number.NaN);
    if (subscriptions < expected) {
      this.#giveUp(client, 'subscription dropped');
      return false;
    }
    return true;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    this.#channels.clear();
    client?.destroy();
  }

  /** Undefined when it did not come; then the connection is given up. */
  async #clientInfo(client: OpenClient): Promise<string | undefined> {
    const { clock, commandTimeoutMs } = this.#redis;
    const reply = client.send(['CLIENT', 'INFO']).then(String, () => undefined);
    const text = await this.#inTime(reply, clock.monotonicMs() + commandTimeoutMs);
    if (text === undefined) {
      this.#giveUp(client, 'silent');
      return undefined;
    }
    // The refusals that came before it are still on their way through their promises.
    await new Promise((resolve) => setImmediate(resolve));
    return text;
  }

  #inTime(promise: Promise<string | undefined>, dueMs: number): Promise<string | undefined> {
    const { wheel } = this.#redis;
    return new Promise((resolve) => {
      // When the loop was late the reply may lie unread: sockets are read once more.
      const entry = wheel.schedule(dueMs, () => setImmediate(() => resolve(undefined)));
      void promise.then((text) => {
        wheel.cancel(entry);
        resolve(text);
      });
    });
  }

  #giveUp(client: OpenClient, reason: string): void {
    if (client === this.#client) {
      this.#lost(reason);
      client.destroy();
    }
  }

  #open(): void {
    if (this.#isOpening || this.#isClosed || this.#client !== undefined || this.#retry !== undefined) {
      return;
    }
    this.#isOpening = true;
    let lostEarly = false;
    const opened = openClient(this.#address, this.#redis, {
      onLost: (reason) => {
        lostEarly = true;
        if (this.#client !== undefined) {
          this.#lost(reason);
        }
      },
      onChannelMoved: (channel) => this.#moved(channel),
    });
    opened.then(
      (client) => {
        this.#isOpening = false;
        if (this.#isClosed || lostEarly) {
          client.destroy();
          this.#openLater();
          return;
        }
        this.#client = client;
        this.#openedAtMs = this.#redis.clock.monotonicMs();
        for (const channel of this.#channels.keys()) {
          void this.#ask(channel, client);
        }
      },
      () => {
        this.#isOpening = false;
        this.#openLater();
        this.#onTrouble();
      },
    );
  }

  #openLater(): void {
    if (this.#isClosed || this.isIdle || this.#retry !== undefined) {
      return;
    }
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        this.#open();
      },
      backoffMs(this.#attempt, BACKOFF),
    );
    this.#retry.unref();
    this.#attempt += 1;
  }

  async #ask(channel: string, client: OpenClient): Promise<void> {
    if (this.#channels.get(channel) !== 'wanted' || this.#leaving.has(channel)) {
      return;
    }
    this.#channels.set(channel, 'asked');
    try {
      await client.sSubscribe(channel, (message) => {
        if (this.#client === client && this.isLive(channel)) {
          this.#listener.onMessage(channel, message);
        }
      });
    } catch {
      if (this.#client === client && this.#channels.get(channel) === 'asked') {
        // MOVED, most likely: back to whoever knows the topology.
        this.#channels.delete(channel);
        this.#onTrouble();
      }
      return;
    }
    if (this.#client === client && this.#channels.get(channel) === 'asked') {
      this.#channels.set(channel, 'live');
      this.#listener.onLive(channel);
    }
  }

  #moved(channel: string): void {
    const wasLive = this.isLive(channel);
    if (this.#channels.delete(channel) && wasLive) {
      this.#listener.onLost(channel);
    }
    this.#onTrouble();
  }

  #lost(reason: string): void {
    const node = addressText(this.#address);
    this.#client = undefined;
    this.#leaving.clear();
    if (this.#redis.clock.monotonicMs() - this.#openedAtMs >= STABLE_MS) {
      this.#attempt = 0;
    }
    this.#redis.metrics.connectionLost(node, reason);
    this.#redis.log.warn({ node, role: this.#redis.role, reason }, 'lost the subscriber connection to a Redis node');
    for (const [channel, state] of this.#channels) {
      this.#channels.set(channel, 'wanted');
      if (state === 'live') {
        this.#listener.onLost(channel);
      }
    }
    this.#openLater();
    this.#onTrouble();
  }
}
