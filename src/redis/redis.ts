/**
 * One Redis deployment, standalone or Cluster: `RedisCommands` over it, its health, and the subscribers that hang on it.
 *
 * A command goes straight to the connection of its slot's master; only what comes back with an error takes the longer way:
 *   MOVED     the slot table is corrected, the command sent on, a refresh wished
 *   ASK       ASKING and the command on the named node, for this once
 *   NOSCRIPT  EVAL in place of EVALSHA on the same node, which loads the script there
 *   TRYAGAIN  repeated after 5 to 50 ms (several keys of a slot under migration)
 *   READONLY, MASTERDOWN, CLUSTERDOWN  once more after a refresh: a failover may just be over
 * All of this happens within `commandTimeoutMs`, five turns at most beside TRYAGAIN, and only after answers that say that the command was
 * not executed.
 * What was sent and never answered is never sent again.
 */
import { backoffMs } from '../lib/backoff.ts';
import { StoreError } from '../lib/store-error.ts';
import { parseAddressText } from './address.ts';
import type { RedisArgument, RedisCommands, RedisReply, RedisSubscriber, SubscriberListener } from './commands.ts';
import type { RedisConnection } from './connection.ts';
import { type NodeState, NodeTable, type RedisNode } from './node-table.ts';
import type { RedisOptions } from './options.ts';
import type { Script } from './script.ts';
import { storeErrorOf } from './server-error.ts';
import { ServerReply } from './server-reply.ts';
import { ChannelSubscriber } from './subscriber.ts';
import { Topology } from './topology.ts';
import { TopologyRefresh } from './topology-refresh.ts';

export interface Redis extends RedisCommands {
  /** Begins to connect, and keeps at it until `close`. Neither throws nor waits. */
  start(): void;
  /** Whether every slot has a master, and all masters are connected. */
  isReady(): boolean;
  createSubscriber(listener: SubscriberListener): RedisSubscriber;
  /** Calls the listener after each connection to a master that was made or lost; it replaces the one before. */
  onConnectionChange(listener: () => void): void;
  /** The masters as we see them. */
  describe(): readonly NodeState[];
  /** `maxmemory_policy` of a master, or undefined when it cannot be learned now. */
  readEvictionPolicy(): Promise<string | undefined>;
  close(): void;
}

const TURNS_MAX = 5;
/** Somebody else may be the master by now. */
const AFTER_REFRESH: ReadonlySet<string> = new Set(['READONLY', 'MASTERDOWN', 'CLUSTERDOWN']);
const TRY_AGAIN = { firstMs: 5, maxMs: 50 };
/** How often a node that is being connected to is looked at. */
const NODE_POLL_MS = 5;

export function createRedis(options: RedisOptions): Redis {
  return new RedisDeployment(options);
}

interface Request {
  readonly slot: number;
  readonly command: readonly RedisArgument[];
  readonly script: Script | undefined;
  /** For all turns together, monotonic. */
  readonly untilMs: number;
}

class RedisDeployment implements Redis {
  readonly #redis: RedisOptions;
  readonly #nodes: NodeTable;
  readonly #refresh: TopologyRefresh;
  readonly #subscribers = new Set<ChannelSubscriber>();
  #topology = Topology.empty();
  #onConnectionChange = (): void => undefined;

  constructor(options: RedisOptions) {
    this.#redis = options;
    this.#nodes = new NodeTable(options, () => this.#connectionChanged());
    this.#refresh = new TopologyRefresh({
      redis: options,
      nodes: this.#nodes,
      current: () => this.#topology,
      onTopology: (topology) => this.#adopt(topology),
    });
  }

  start(): void {
    this.#refresh.nudge();
  }

  isReady(): boolean {
    const names = [...this.#topology.masters().keys()];
    return this.#topology.isWhole && names.every((name) => this.#nodes.get(name)?.isReady === true);
  }

  describe(): readonly NodeState[] {
    return this.#nodes.all().map((node) => node.state());
  }

  run(
    script: Script,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    deadlineAtMs: number,
  ): Promise<RedisReply> {
    const name = script.kind === 'read' ? 'EVALSHA_RO' : 'EVALSHA';
    const command = [name, script.sha1, String(keys.length), ...keys, ...args];
    return this.#direct(this.#topology.slotOf(keys[0] ?? ''), command, script, deadlineAtMs);
  }

  send(key: RedisArgument, command: readonly RedisArgument[], deadlineAtMs: number): Promise<RedisReply> {
    return this.#direct(this.#topology.slotOf(key), command, undefined, deadlineAtMs);
  }

  createSubscriber(listener: SubscriberListener): RedisSubscriber {
    const subscriber = new ChannelSubscriber({
      redis: this.#redis,
      listener,
      ownerOf: (slot) => this.#topology.masters().get(this.#topology.ownerOf(slot) ?? ''),
      wishRefresh: () => this.#refresh.nudge(),
      onClose: () => this.#subscribers.delete(subscriber),
    });
    this.#subscribers.add(subscriber);
    return subscriber;
  }

  onConnectionChange(listener: () => void): void {
    this.#onConnectionChange = listener;
  }

  async readEvictionPolicy(): Promise<string | undefined> {
    const node = this.#nodes.all().find((candidate) => candidate.isReady);
    try {
      const deadlineAtMs = this.#redis.clock.monotonicMs() + this.#redis.commandTimeoutMs;
      const info = String(await node?.ask(['INFO', 'memory'], deadlineAtMs));
      return /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
    } catch {
      return undefined;
    }
  }

  close(): void {
    this.#refresh.close();
    for (const subscriber of this.#subscribers) {
      subscriber.close();
    }
    this.#nodes.close();
  }

  #connectionChanged(): void {
    this.#refresh.nudge();
    this.#onConnectionChange();
  }

  #direct(
    slot: number,
    command: readonly RedisArgument[],
    script: Script | undefined,
    deadlineAtMs: number,
  ): Promise<RedisReply> {
    const node = this.#owner(slot);
    if (node === undefined) {
      return Promise.reject(
        this.#refresh.refusal ?? new StoreError('unavailable', 'no Redis node is known to serve this key yet'),
      );
    }
    const connection = node.connection();
    return connection.send(command, deadlineAtMs, {
      recover: (error, sentAtMs) => {
        const untilMs = Math.min(deadlineAtMs, sentAtMs + this.#redis.commandTimeoutMs);
        return this.#recover({ slot, command, script, untilMs }, error, connection, node);
      },
    });
  }

  #owner(slot: number): RedisNode | undefined {
    const name = this.#topology.ownerOf(slot);
    return name === undefined ? undefined : this.#nodes.get(name);
  }

  /** The longer way. Rejects with a StoreError. */
  async #recover(
    request: Request,
    firstReply: ServerReply,
    firstConnection: RedisConnection,
    firstNode: RedisNode,
  ): Promise<RedisReply> {
    let reply = firstReply;
    let node = firstNode;
    let connection = firstConnection;
    let isAsking = false;
    let hasRefreshed = false;
    let turns = 0;
    let tryAgains = 0;
    for (;;) {
      this.#redis.metrics.commandError(node.name, reply.code);
      let command = request.command;
      if (reply.code === 'TRYAGAIN') {
        await this.#pause(backoffMs(tryAgains, TRY_AGAIN), request.untilMs);
        tryAgains += 1;
      } else if (turns === TURNS_MAX) {
        break;
      } else if (reply.code === 'NOSCRIPT' && request.script !== undefined) {
        command = [
          request.script.kind === 'read' ? 'EVAL_RO' : 'EVAL',
          request.script.source,
          ...request.command.slice(2),
        ];
      } else if ((AFTER_REFRESH.has(reply.code) || movesToNameless(reply)) && !hasRefreshed) {
        hasRefreshed = true;
        isAsking = false;
        await this.#refreshed(request.untilMs);
        node = this.#owner(request.slot) ?? node;
        connection = await this.#connectionOf(node, request.untilMs);
      } else if ((reply.code === 'MOVED' || reply.code === 'ASK') && !movesToNameless(reply)) {
        isAsking = reply.code === 'ASK';
        node = this.#redirected(reply, request.slot, node);
        connection = await this.#connectionOf(node, request.untilMs);
      } else {
        break;
      }
      turns += reply.code === 'TRYAGAIN' ? 0 : 1;
      // One that is not ready says why, whatever the time is.
      if (connection.isReady && this.#redis.clock.monotonicMs() >= request.untilMs) {
        break;
      }
      try {
        return await connection.send(command, request.untilMs, { isAsking });
      } catch (error) {
        if (!(error instanceof ServerReply)) {
          throw error;
        }
        reply = error;
      }
    }
    throw storeErrorOf(reply.cause as Error);
  }

  #redirected(error: ServerReply, slot: number, from: RedisNode): RedisNode {
    const address = parseAddressText(error.message.split(' ')[2] ?? '', from.address.host);
    if (error.code === 'MOVED') {
      this.#topology.assign(slot, address);
      this.#refresh.nudge();
    }
    return this.#nodes.need(address);
  }

  async #connectionOf(node: RedisNode, untilMs: number): Promise<RedisConnection> {
    while (!node.isReady && node.connection().refusal === undefined && this.#redis.clock.monotonicMs() < untilMs) {
      await this.#pause(NODE_POLL_MS, untilMs);
    }
    return node.connection();
  }

  async #refreshed(untilMs: number): Promise<void> {
    await Promise.race([this.#refresh.wish(), this.#pause(Number.POSITIVE_INFINITY, untilMs)]);
  }

  #pause(durationMs: number, untilMs: number): Promise<void> {
    const leftMs = Math.max(0, untilMs - this.#redis.clock.monotonicMs());
    return new Promise((resolve) => setTimeout(resolve, Math.min(durationMs, leftMs)));
  }

  #adopt(topology: Topology): void {
    this.#topology = topology;
    this.#nodes.keep(topology.masters());
    for (const subscriber of this.#subscribers) {
      subscriber.onTopology();
    }
  }
}

/** MOVED to a node that shall be called by a name and has none (`?`): only CLUSTER SLOTS tells its address. */
function movesToNameless(error: ServerReply): boolean {
  return error.code === 'MOVED' && error.message.split(' ')[2]?.startsWith('?:') === true;
}
