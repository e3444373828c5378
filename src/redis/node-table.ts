/**
 * The masters that we hold connections to: one set of connections per node, made when the topology or a redirect names it, closed
 * when they no longer do, after what is in flight there was answered.
 */
import { addressText, type NodeAddress } from './address.ts';
import type { RedisReply } from './commands.ts';
import { RedisConnection } from './connection.ts';
import type { MissingPermissions } from './missing-permissions.ts';
import { NodePermissions, type ProbedSlots } from './node-permissions.ts';
import type { RedisOptions } from './options.ts';
import { ReadyWaiters } from './ready-waiters.ts';
import type { Refusal } from './refusal-log.ts';
import { ScriptLoads } from './script-loads.ts';

export interface NodeState {
  readonly node: string;
  readonly isReady: boolean;
  readonly inFlight: number;
  /** Why it is not connected, if an attempt failed. */
  readonly reason: string | undefined;
}

export interface NodeOptions {
  readonly redis: RedisOptions;
  /** Whether a replica at this address would answer reads: on a standalone server. */
  readonly isVouching: () => boolean;
  /** A connection came up or was lost. */
  readonly onChange: () => void;
  /** For probes of permissions. */
  readonly probes?: {
    /** Where keys lie that the node of this name has. */
    readonly slotsOf: (name: string) => ProbedSlots;
    /** A probe has found something missing, or no longer. */
    readonly onChange: () => void;
  };
}

/** A command that was certainly not sent waits so long after a ready connection was lost, and not for one that was away before. */
const AFTER_LOSS_MS = 250;
const MAX_RECONNECT_WAIT_MS = 50;
const RECONNECT_WAIT_SHARE = 0.25;

/** A node with its connections; commands go round robin over those that are ready. */
export class RedisNode {
  readonly address: NodeAddress;
  readonly name: string;
  /** The scripts that it lacked. */
  readonly scripts = new ScriptLoads();
  /** What the user may not do there, as far as is known; undefined where nothing is missing. */
  missing: MissingPermissions | undefined;
  readonly #redis: RedisOptions;
  readonly #permissions: NodePermissions | undefined;
  readonly #connections: readonly RedisConnection[];
  readonly #waiters: ReadyWaiters;
  /** When a redirect named it last. */
  neededAtMs = Number.NEGATIVE_INFINITY;
  #lostAtMs = Number.NEGATIVE_INFINITY;
  #isRetired = false;
  #turn = 0;

  constructor(address: NodeAddress, options: NodeOptions) {
    this.address = address;
    this.name = addressText(address);
    this.#redis = options.redis;
    this.#waiters = new ReadyWaiters(options.redis.wheel);
    this.#permissions = this.#createPermissions(options);
    this.#connections = Array.from(
      { length: options.redis.connectionsPerMaster },
      () =>
        new RedisConnection({
          address,
          redis: options.redis,
          isVouching: options.isVouching,
          onReady: () => {
            this.#waiters.wakeAll();
            this.#permissions?.connected();
            options.onChange();
          },
          onLost: (reason) => {
            this.#lost(reason);
            options.onChange();
          },
        }),
    );
  }

  get isReady(): boolean {
    return this.#connections.some((connection) => connection.isReady);
  }

  /** It is no longer used; what was in flight may still be answered. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** A connection that is ready, if possible one that need not prove itself, or else one that says why not. */
  connection(): RedisConnection {
    const count = this.#connections.length;
    let second: RedisConnection | undefined;
    for (let step = 0; step < count; step += 1) {
      this.#turn = (this.#turn + 1) % count;
      const connection = this.#connections[this.#turn];
      if (connection?.isReady) {
        if (!connection.isProving) {
          return connection;
        }
        second = connection;
      }
    }
    return second ?? (this.#connections[0] as RedisConnection);
  }

  /**
   * A connection for a command that was certainly not sent. Where none is ready, or those that are have to prove themselves, it waits for one: for
   * 50 ms and a quarter of the time that is left at most, and only shortly after one was lost.
   */
  async connectionSoon(bytes: number, deadlineAtMs: number): Promise<RedisConnection> {
    const connection = this.connection();
    const nowMs = this.#redis.clock.monotonicMs();
    if ((connection.isReady && !connection.isProving) || nowMs - this.#lostAtMs > AFTER_LOSS_MS) {
      return connection;
    }
    const waitMs = Math.min(MAX_RECONNECT_WAIT_MS, (deadlineAtMs - nowMs) * RECONNECT_WAIT_SHARE);
    await this.#waiters.wait(bytes, nowMs + waitMs);
    return this.connection();
  }

  #lost(reason: string): void {
    this.#lostAtMs = this.#redis.clock.monotonicMs();
    if (reason === 'silent') {
      // What has swallowed one connection has probably swallowed all: waiting for each to be silent would fail calls for as often as long.
      for (const connection of this.#connections) {
        connection.prove();
      }
    }
  }

  /** The node was reached: connections that wait for their next attempt try now. */
  reconnectNow(): void {
    for (const connection of this.#connections) {
      connection.reconnectNow();
    }
  }

  /** Redis refused a command there for want of a permission. Which one, a probe finds and reports. */
  permissionRefused(refusal: Refusal): void {
    if (this.#permissions === undefined) {
      this.#redis.refusals.refused(refusal);
    } else {
      this.#permissions.refused(refusal);
    }
  }

  state(): NodeState {
    return {
      node: this.name,
      isReady: this.isReady,
      inFlight: this.#connections.reduce((sum, connection) => sum + connection.inFlight, 0),
      reason: this.#connections.find((connection) => connection.failureReason !== undefined)?.failureReason,
    };
  }

  async ask(command: readonly string[], deadlineAtMs: number): Promise<RedisReply> {
    return await this.connection().send(command, deadlineAtMs);
  }

  /** Drops all connections, which are made anew: its name is looked up again. */
  drop(reason: string): void {
    for (const connection of this.#connections) {
      connection.drop(reason);
    }
  }

  close(): void {
    this.#permissions?.close();
    for (const connection of this.#connections) {
      connection.close();
    }
  }

  /** Closes once what is in flight is answered. */
  retire(): void {
    this.#isRetired = true;
    this.#permissions?.close();
    for (const connection of this.#connections) {
      connection.retire();
    }
  }

  #createPermissions({ redis, probes }: NodeOptions): NodePermissions | undefined {
    if (redis.permissions === undefined || probes === undefined) {
      return undefined;
    }
    return new NodePermissions({
      address: this.address,
      redis,
      permissions: redis.permissions,
      isReady: () => this.isReady,
      slots: () => probes.slotsOf(this.name),
      onChange: (missing) => {
        this.missing = missing;
        probes.onChange();
      },
    });
  }
}

/** A redirect may be ahead of the topology that the next node tells: for so long the node it named is kept all the same. */
const REDIRECT_TRUST_MS = 2_000;

export class NodeTable {
  readonly #options: NodeOptions;
  readonly #nodes = new Map<string, RedisNode>();
  #isClosed = false;

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  get(name: string): RedisNode | undefined {
    return this.#nodes.get(name);
  }

  /** The node that a redirect names, made now where it is new (MOVED and ASK name nodes before the topology does). */
  need(address: NodeAddress): RedisNode {
    const node = this.#have(address);
    node.neededAtMs = this.#options.redis.clock.monotonicMs();
    return node;
  }

  /** These nodes from now on, and those that a redirect named a moment ago. */
  keep(addresses: ReadonlyMap<string, NodeAddress>): void {
    const trustedSinceMs = this.#options.redis.clock.monotonicMs() - REDIRECT_TRUST_MS;
    for (const [name, node] of this.#nodes) {
      if (!addresses.has(name) && node.neededAtMs < trustedSinceMs) {
        this.#nodes.delete(name);
        node.retire();
        this.#options.redis.refusals.forget(name);
      }
    }
    for (const address of addresses.values()) {
      this.#have(address);
    }
  }

  all(): RedisNode[] {
    return [...this.#nodes.values()];
  }

  close(): void {
    this.#isClosed = true;
    for (const node of this.#nodes.values()) {
      node.close();
    }
    this.#nodes.clear();
  }

  #have(address: NodeAddress): RedisNode {
    const name = addressText(address);
    const known = this.#nodes.get(name);
    if (known !== undefined) {
      return known;
    }
    const node = new RedisNode(address, this.#options);
    if (this.#isClosed) {
      node.close();
    } else {
      this.#nodes.set(name, node);
    }
    return node;
  }
}
