/**
 * Connects a role (`state` or `cache`) to one Redis deployment, which is a standalone server or a Cluster. Implements
 * `RedisCommands`, reports the health of the deployment, and creates its subscribers.
 *
 * A command goes directly to a connection of the master that owns its slot. Only failed commands use the slower code in
 * recovery.ts. These are commands that receive an error reply, lose their connection or find no ready connection.
 */
import { StoreError } from '../lib/store-error.ts';
import { addressText } from './address.ts';
import {
  type CommandOptions,
  READ_COMMANDS,
  type RedisArgument,
  type RedisCommands,
  type RedisListener,
  type RedisReply,
  type RedisSubscriber,
} from './commands.ts';
import { LostConnection } from './lost-connection.ts';
import type { Script } from './lua-script.ts';
import { type NodeState, NodeTable, type RedisNode } from './node-table.ts';
import type { RedisOptions } from './options.ts';
import { commandName, type RecoverableRequest, Recovery, recoverRequest } from './recovery.ts';
import { ChannelSubscriber } from './subscriber.ts';
import { Topology } from './topology.ts';
import type { TopologyMembership, TopologySource, TopologyStatus } from './topology-member.ts';
import { createTopologySource } from './topology-source.ts';

export interface Redis extends RedisCommands {
  /** Starts connecting in the background and retries until `close` is called. Returns at once and never throws. */
  start(): void;
  /** Returns whether every slot has a master and every master has a ready connection. */
  isReady(): boolean;
  createSubscriber(listener: RedisListener): RedisSubscriber;
  /** Returns the state of each master in the current topology. */
  describe(): readonly NodeState[];
  /** Returns whether the choice of the current masters is certain, with the reasons if it is not. */
  topologyStatus(): TopologyStatus;
  /** Returns the `maxmemory_policy` of a master, or undefined if no master answers. */
  readEvictionPolicy(): Promise<string | undefined>;
  close(): void;
}

/** Creates a deployment. Roles with the same URL share one topology source. */
export function createRedis(options: RedisOptions, source: TopologySource = createTopologySource(options)): Redis {
  return new RedisDeployment({ ...options, guard: source.guard }, source);
}

class RedisDeployment implements Redis {
  readonly #redis: RedisOptions;
  readonly #nodes: NodeTable;
  readonly #refresh: TopologyMembership;
  readonly #recovery: Recovery;
  readonly #subscribers = new Set<ChannelSubscriber>();
  #topology = Topology.empty();

  constructor(options: RedisOptions, source: TopologySource) {
    this.#redis = options;
    this.#nodes = new NodeTable({
      redis: options,
      isVouching: () => this.#topology.isStandalone,
      onChange: () => {
        this.#refresh.nudge();
        options.onConnectionChange?.();
      },
      probes: {
        slotsOf: (name) => ({ isCluster: !this.#topology.isStandalone, hashTag: this.#topology.hashTagOf(name) }),
        onChange: () => this.#placeChannels(),
      },
    });
    this.#refresh = source.join({
      nodes: this.#nodes,
      refusals: options.refusals,
      current: () => this.#topology,
      isWatching: () => [...this.#subscribers].some((subscriber) => subscriber.hasChannels),
      onTopology: (topology) => this.#adopt(topology),
    });
    this.#recovery = new Recovery({
      redis: options,
      ownerOf: (slot) => this.#owner(slot),
      nodeAt: (address) => this.#nodes.need(address),
      onMoved: (slot, address) => {
        this.#topology.assign(slot, address);
        this.#refresh.nudge();
      },
      refreshed: () => this.#refresh.wish(),
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

  topologyStatus(): TopologyStatus {
    return this.#refresh.status;
  }

  run(
    script: Script,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply> {
    const isRead = script.kind === 'read';
    const command = [isRead ? 'EVALSHA_RO' : 'EVALSHA', script.sha1, String(keys.length), ...keys, ...args];
    return this.#direct(this.#topology.slotOf(keys[0] ?? ''), command, script, isRead, deadlineAtMs, options);
  }

  send(
    key: RedisArgument,
    command: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply> {
    const isRead = READ_COMMANDS.has(String(command[0]));
    return this.#direct(this.#topology.slotOf(key), command, undefined, isRead, deadlineAtMs, options);
  }

  createSubscriber(listener: RedisListener): RedisSubscriber {
    const subscriber = new ChannelSubscriber({
      redis: this.#redis,
      listener,
      ownerOf: (slot) => this.#topology.masters().get(this.#topology.ownerOf(slot) ?? ''),
      wishRefresh: () => this.#refresh.nudge(),
      refusalOf: (address) => this.#nodes.get(addressText(address))?.missing?.refusalOfSubscriptions(),
      onNotPermitted: (refusal) => this.#nodes.get(refusal.node)?.permissionRefused(refusal),
      onClose: () => this.#subscribers.delete(subscriber),
    });
    this.#subscribers.add(subscriber);
    return subscriber;
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
    this.#redis.refusals.close();
  }

  #direct(
    slot: number,
    command: readonly RedisArgument[],
    script: Script | undefined,
    isRead: boolean,
    deadlineAtMs: number,
    options: CommandOptions | undefined,
  ): Promise<RedisReply> {
    const node = this.#owner(slot);
    if (node === undefined) {
      return Promise.reject(this.#refresh.refusal ?? noNodeError(this.#refresh.status.reasons));
    }
    const missing = node.missing?.refusalOf(command, script);
    if (missing !== undefined) {
      return Promise.reject(missing);
    }
    const connection = node.connection();
    const request: RecoverableRequest = {
      slot,
      command,
      script,
      isRead,
      isAsking: false,
      expectedReplyBytes: options?.expectedReplyBytes,
      keyType: options?.keyType,
      isPermissionOptional: options?.isPermissionOptional,
      deadlineAtMs,
      recovery: this.#recovery,
      node,
      connection,
      recover: recoverRequest,
    };
    const reply =
      !connection.isReady || connection.isProving
        ? this.#recovery.goOn(request, new LostConnection('away', false), 0)
        : connection.send(command, deadlineAtMs, request);
    return this.#redis.refusals.isEmpty ? reply : this.#noteSuccess(request, reply);
  }

  /** Reports a successful command, because it may end a refusal. Called only while a refusal is active. */
  async #noteSuccess(request: RecoverableRequest, reply: Promise<RedisReply>): Promise<RedisReply> {
    const value = await reply;
    const kind = request.script?.kind ?? (request.isRead === true ? 'read' : 'other');
    this.#redis.refusals.succeeded({ node: request.node.name, command: commandName(request), kind });
    return value;
  }

  #owner(slot: number): RedisNode | undefined {
    const name = this.#topology.ownerOf(slot);
    return name === undefined ? undefined : this.#nodes.get(name);
  }

  #adopt(topology: Topology): void {
    this.#topology = topology;
    this.#nodes.keep(topology.masters());
    if (topology.isStandalone) {
      // The server has just answered a query, so connections to it are attempted at once.
      for (const name of topology.masters().keys()) {
        this.#nodes.get(name)?.reconnectNow();
      }
      for (const subscriber of this.#subscribers) {
        subscriber.reconnectNow();
      }
    }
    this.#placeChannels();
  }

  #placeChannels(): void {
    for (const subscriber of this.#subscribers) {
      subscriber.onTopology();
    }
  }
}

function noNodeError(reasons: ReadonlyMap<string, string>): StoreError {
  const latest = [...reasons].at(-1);
  const text = 'no Redis node is known to serve this key yet';
  return new StoreError('unavailable', latest === undefined ? text : `${text}: ${latest[0]}: ${latest[1]}`);
}
