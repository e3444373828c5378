/**
 * Asks Redis who owns what, when there is reason to, and tells what it heard.
 *
 * Promises:
 *   1. One refresh at a time; a wish during one is remembered once. A refresh asks two nodes at once and takes the first good answer,
 *      so that one frozen node does not hold it up; each question is bounded in time.
 *   2. While something is wrong (no topology, slots without a master, a master not connected) it asks again every 250 ms or so, else every 30 s.
 *   3. It never ends before `close`, never throws, and is jittered, so that a fleet does not ask in step.
 *
 * Masters that we are connected to are asked on their connections; where too few are, seeds and replicas are asked on connections
 * made for the question: after a failover nobody else may be left who knows.
 */
import type { StoreError } from '../lib/store-error.ts';
import { addressText, type NodeAddress } from './address.ts';
import { openClient } from './client.ts';
import type { RedisReply } from './commands.ts';
import { ConnectFailures } from './connect-failure.ts';
import type { NodeTable, RedisNode } from './node-table.ts';
import type { RedisOptions } from './options.ts';
import { loginRefusalOf } from './server-error.ts';
import { Topology } from './topology.ts';

const HEALTHY_MS = 30_000;
const UNHEALTHY_MS = 250;
/** A wish is granted at once, but not more often than this. */
const APART_MS = 50;
const ASKED_AT_ONCE = 2;

export interface TopologyRefreshOptions {
  readonly redis: RedisOptions;
  readonly nodes: NodeTable;
  readonly current: () => Topology;
  readonly onTopology: (topology: Topology) => void;
}

export class TopologyRefresh {
  readonly #redis: RedisOptions;
  readonly #nodes: NodeTable;
  readonly #current: () => Topology;
  readonly #onTopology: (topology: Topology) => void;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #isRunning = false;
  #isClosed = false;
  #turn = Math.floor(Math.random() * 1_000);
  /** Where the next of those that we are not connected to stands: each has its turn, however many are asked at once. */
  #otherTurn = Math.floor(Math.random() * 1_000);
  #waiters: (() => void)[] = [];
  #refusal: StoreError | undefined;
  readonly #failures = new ConnectFailures();

  constructor(options: TopologyRefreshOptions) {
    this.#redis = options.redis;
    this.#nodes = options.nodes;
    this.#current = options.current;
    this.#onTopology = options.onTopology;
  }

  /** Why the servers that were asked last let us in no more (password, ACL); undefined once one of them answers. */
  get refusal(): StoreError | undefined {
    return this.#refusal;
  }

  /** Refreshes soon. */
  nudge(): void {
    const sinceLastMs = this.#redis.clock.monotonicMs() - this.#lastMs;
    this.#schedule(Math.max(0, APART_MS - sinceLastMs) * (0.5 + Math.random() / 2));
  }

  /** Refreshes soon. Resolves after the next refresh, whether it learned anything or not; never rejects. */
  wish(): Promise<void> {
    if (this.#isClosed) {
      return Promise.resolve();
    }
    this.nudge();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#wake();
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#redis.clock.monotonicMs() + delayMs;
    if (this.#isClosed || (this.#timer !== undefined && dueMs >= this.#dueMs)) {
      return;
    }
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => void this.#run(), delayMs);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
    if (this.#isRunning) {
      this.#schedule(APART_MS);
      return;
    }
    this.#isRunning = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    try {
      const topology = await this.#ask();
      if (topology !== undefined && !this.#isClosed) {
        this.#onTopology(topology);
      }
    } finally {
      this.#isRunning = false;
      this.#lastMs = this.#redis.clock.monotonicMs();
      for (const wake of waiters) {
        wake();
      }
      this.#schedule(this.#nextMs());
    }
  }

  #nextMs(): number {
    const { isWhole } = this.#current();
    const masters = [...this.#current().masters().keys()];
    const isHealthy = isWhole && masters.every((name) => this.#nodes.get(name)?.isReady === true);
    return (isHealthy ? HEALTHY_MS : UNHEALTHY_MS) * (0.75 + Math.random() / 2);
  }

  /** The first good answer of those asked. */
  async #ask(): Promise<Topology | undefined> {
    const whom = this.#whom();
    try {
      const topology = await Promise.any(whom.map((address) => this.#askOne(address)));
      this.#refusal = undefined;
      this.#failures.clear();
      return topology;
    } catch (error) {
      const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
      this.#noteRefusal(errors);
      this.#noteFailures(whom, errors);
      return undefined;
    }
  }

  #noteRefusal(errors: readonly unknown[]): void {
    const refusal = errors.map(loginRefusalOf).find((candidate) => candidate !== undefined);
    if (refusal !== undefined && this.#refusal?.serverCode !== refusal.serverCode) {
      this.#redis.log.error({ role: this.#redis.role, code: refusal.serverCode }, refusal.message);
    }
    this.#refusal = refusal;
  }

  /** All of those asked have failed. */
  #noteFailures(whom: readonly NodeAddress[], errors: readonly unknown[]): void {
    for (const [index, address] of whom.entries()) {
      const error = errors[index];
      if (loginRefusalOf(error) === undefined && !this.#isClosed) {
        this.#failures.tell(this.#redis.log, { node: addressText(address), role: this.#redis.role }, error);
      }
    }
  }

  /** Connected masters first, then whoever else may know, in turn. */
  #whom(): NodeAddress[] {
    this.#turn += 1;
    const ready = rotate(
      this.#nodes
        .all()
        .filter((node) => node.isReady)
        .map((node) => node.address),
      this.#turn,
    );
    const others = new Map<string, NodeAddress>(this.#current().nodes());
    for (const seed of this.#redis.seeds) {
      others.set(addressText(seed), seed);
    }
    for (const address of ready) {
      others.delete(addressText(address));
    }
    const wanted = Math.max(0, ASKED_AT_ONCE - ready.length);
    const next = rotate([...others.values()], this.#otherTurn).slice(0, wanted);
    this.#otherTurn += wanted;
    return [...ready.slice(0, ASKED_AT_ONCE), ...next];
  }

  async #askOne(address: NodeAddress): Promise<Topology> {
    const node = this.#nodes.get(addressText(address));
    if (node?.isReady) {
      return await this.#askConnected(node);
    }
    const client = await openClient(address, this.#redis, { onLost: () => undefined });
    const late = setTimeout(() => client.destroy(), this.#redis.connectTimeoutMs);
    try {
      return await readTopology((command) => client.send(command), address);
    } finally {
      clearTimeout(late);
      client.destroy();
    }
  }

  async #askConnected(node: RedisNode): Promise<Topology> {
    const deadlineAtMs = this.#redis.clock.monotonicMs() + this.#redis.commandTimeoutMs;
    try {
      return await readTopology((command) => node.ask(command, deadlineAtMs), node.address);
    } catch (error) {
      if (error instanceof ReplicaError) {
        // Its name may lead to the new master by now, but this connection would lead to the old one for as long as that lives.
        node.drop('replica');
      }
      throw error;
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) {
      wake();
    }
    this.#waiters = [];
  }
}

/** Of a Cluster its slots; of a standalone server itself, if it is a master. Rejects for an answer that helps nobody. */
async function readTopology(
  ask: (command: readonly string[]) => Promise<RedisReply>,
  address: NodeAddress,
): Promise<Topology> {
  try {
    const topology = Topology.fromClusterSlots(await ask(['CLUSTER', 'SLOTS']), address.host);
    if (topology.isEmpty) {
      throw new NoSlotsError('Cannot learn the topology: the node knows of no slots');
    }
    return topology;
  } catch (error) {
    if (error instanceof Error && /cluster support disabled/i.test(error.message)) {
      await refuseReplica(ask);
      return Topology.standalone(address);
    }
    throw error;
  }
}

/** Of several seeds without a Cluster only the master serves us. A server that does not tell its role is taken at its word. */
async function refuseReplica(ask: (command: readonly string[]) => Promise<RedisReply>): Promise<void> {
  const role = await ask(['ROLE']).catch(() => undefined);
  if (Array.isArray(role) && String(role[0]) === 'slave') {
    throw new ReplicaError('Cannot use this Redis server: it is a replica');
  }
}

class ReplicaError extends Error {}

class NoSlotsError extends Error {}

function rotate<Item>(items: readonly Item[], turn: number): Item[] {
  const start = items.length === 0 ? 0 : turn % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
