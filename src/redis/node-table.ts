/**
 * The masters that we hold connections to: one set of connections per node, made when the topology or a redirect names it, closed
 * when they no longer do, after what is in flight there was answered.
 */
import { addressText, type NodeAddress } from './address.ts';
import type { RedisReply } from './commands.ts';
import { RedisConnection } from './connection.ts';
import type { RedisOptions } from './options.ts';

export interface NodeState {
  readonly node: string;
  readonly isReady: boolean;
  readonly inFlight: number;
  /** Why the server refuses us, where it does. */
  readonly refusal: string | undefined;
}

/** A node with its connections; commands go round robin over those that are ready. */
export class RedisNode {
  readonly address: NodeAddress;
  readonly name: string;
  readonly #connections: readonly RedisConnection[];
  /** When a redirect named it last. */
  neededAtMs = Number.NEGATIVE_INFINITY;
  #turn = 0;

  constructor(address: NodeAddress, redis: RedisOptions, onChange: () => void) {
    this.address = address;
    this.name = addressText(address);
    this.#connections = Array.from(
      { length: redis.connectionsPerMaster },
      () => new RedisConnection({ address, redis, onChange }),
    );
  }

  get isReady(): boolean {
    return this.#connections.some((connection) => connection.isReady);
  }

  /** A connection that is ready, or else one that says why not. */
  connection(): RedisConnection {
    const count = this.#connections.length;
    for (let step = 0; step < count; step += 1) {
      this.#turn = (this.#turn + 1) % count;
      const connection = this.#connections[this.#turn];
      if (connection?.isReady) {
        return connection;
      }
    }
    return this.#connections[0] as RedisConnection;
  }

  state(): NodeState {
    return {
      node: this.name,
      isReady: this.isReady,
      inFlight: this.#connections.reduce((sum, connection) => sum + connection.inFlight, 0),
      refusal: this.#connections[0]?.refusal?.message,
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
    for (const connection of this.#connections) {
      connection.close();
    }
  }

  /** Closes once what is in flight is answered. */
  retire(): void {
    for (const connection of this.#connections) {
      connection.retire();
    }
  }
}

/** A redirect may be ahead of the topology that the next node tells: for so long the node it named is kept all the same. */
const REDIRECT_TRUST_MS = 2_000;

export class NodeTable {
  readonly #redis: RedisOptions;
  readonly #onChange: () => void;
  readonly #nodes = new Map<string, RedisNode>();
  #isClosed = false;

  constructor(redis: RedisOptions, onChange: () => void) {
    this.#redis = redis;
    this.#onChange = onChange;
  }

  get(name: string): RedisNode | undefined {
    return this.#nodes.get(name);
  }

  /** The node that a redirect names, made now where it is new (MOVED and ASK name nodes before the topology does). */
  need(address: NodeAddress): RedisNode {
    const node = this.#have(address);
    node.neededAtMs = this.#redis.clock.monotonicMs();
    return node;
  }

  /** These nodes from now on, and those that a redirect named a moment ago. */
  keep(addresses: ReadonlyMap<string, NodeAddress>): void {
    const trustedSinceMs = this.#redis.clock.monotonicMs() - REDIRECT_TRUST_MS;
    for (const [name, node] of this.#nodes) {
      if (!addresses.has(name) && node.neededAtMs < trustedSinceMs) {
        this.#nodes.delete(name);
        node.retire();
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
    const node = new RedisNode(address, this.#redis, this.#onChange);
    if (this.#isClosed) {
      node.close();
    } else {
      this.#nodes.set(name, node);
    }
    return node;
  }
}
