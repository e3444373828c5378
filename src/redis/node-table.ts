/**
 * Manages one set of connections for each master. A set is created when the topology or a redirect names the node. The
 * set is retired when the node is no longer in the topology and no redirect has named it recently. The connections of a
 * retired set are closed after its commands in flight have completed.
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
  /** Reason for the last failed connection attempt; undefined if none failed. */
  readonly reason: string | undefined;
}

export interface NodeOptions {
  readonly redis: RedisOptions;
  /** Returns whether a replica at this address would answer reads, as a standalone replica does. */
  readonly isVouching: () => boolean;
  /** Called after a connection became ready or was lost. */
  readonly onChange: () => void;
  /** Inputs of the permission probes. If unset, permissions are not probed. */
  readonly probes?: {
    /** Returns a hash tag of a slot that the node with this name owns. */
    readonly slotsOf: (name: string) => ProbedSlots;
    /** Called when the set of missing permissions changed. */
    readonly onChange: () => void;
  };
}

/**
 * Time after the loss of a ready connection during which unsent commands may wait for a new connection. After this
 * time, such commands fail at once.
 */
const AFTER_LOSS_MS = 250;
const MAX_RECONNECT_WAIT_MS = 50;
const RECONNECT_WAIT_SHARE = 0.25;

/** Master with its connections. Commands use the ready connections in round-robin order. */
export class RedisNode {
  readonly address: NodeAddress;
  readonly name: string;
  /** Loads of scripts that this node lacked. */
  readonly scripts = new ScriptLoads();
  /** Permissions that a probe found missing on this node; undefined if none is missing. */
  missing: MissingPermissions | undefined;
  readonly #redis: RedisOptions;
  readonly #permissions: NodePermissions | undefined;
  readonly #connections: readonly RedisConnection[];
  readonly #waiters: ReadyWaiters;
  /** Monotonic time of the last redirect that named this node. */
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

  /** Whether the node is no longer used. Commands in flight on its connections may still complete. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /**
   * Returns a ready connection, preferably one that is not suspected of being dead. If no connection is ready, returns
   * a connection whose error contains the reason.
   */
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
   * Returns a connection for a command that was certainly not sent. If no healthy connection is ready, waits for one,
   * but only during the first 250 ms after a loss. The wait lasts at most 50 ms, and at most a quarter of the time
   * until the deadline of the command.
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
      // Other connections to the node have probably failed too. If the sidecar had to detect each dead connection
      // separately, calls would fail on each of these connections.
      for (const connection of this.#connections) {
        connection.prove();
      }
    }
  }

  /**
   * Reconnects at once instead of waiting for the next attempt, because the node has just answered on another
   * connection.
   */
  reconnectNow(): void {
    for (const connection of this.#connections) {
      connection.reconnectNow();
    }
  }

  /** Handles a NOPERM reply of Redis. A probe finds and reports which permission is missing. */
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

  /** Drops all connections. The new connections resolve the host name again. */
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

  /** Stops accepting commands and closes the connections once the commands in flight have settled. */
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

/**
 * Time for which a node named by a redirect is kept even if the topology does not list it. The redirect may be more
 * recent than the topology that another node reports.
 */
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

  /**
   * Returns the node that a redirect names, creating it if necessary. MOVED and ASK name nodes before the topology
   * does.
   */
  need(address: NodeAddress): RedisNode {
    const node = this.#have(address);
    node.neededAtMs = this.#options.redis.clock.monotonicMs();
    return node;
  }

  /** Keeps these nodes and those that a redirect named recently. Retires all others. */
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
