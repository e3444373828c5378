/**
 * Maintains the topology of one deployment for all roles that use it: chooses which servers to read, and updates the
 * members (the roles).
 *
 * Invariants:
 *   1. Only one refresh runs at a time, for all members together. A request during a refresh causes one more refresh.
 *   2. Only `deployment-choice.ts` chooses the deployment, and only `refresh-pace.ts` determines the times of
 *      refreshes.
 *   3. A refresh ends as soon as no pending answer can change its result. Each query has a time limit, so one frozen
 *      node cannot block a refresh.
 *   4. The topology is maintained until its last member has left. No method throws.
 *   5. If the deployment is not a Cluster, every refresh reads all seeds. In a Cluster, `server-turns.ts` chooses the
 *      nodes that a refresh reads.
 */
import { addressText, type NodeAddress } from './address.ts';
import { ConnectFailures } from './connect-failure.ts';
import { type Choice, chooseDeployment, type Deployment, isUsable, type SeenReport } from './deployment-choice.ts';
import { NameWatch } from './name-watch.ts';
import type { ConnectionGuard, RedisOptions } from './options.ts';
import { RefreshPace } from './refresh-pace.ts';
import { CONNECT } from './refusal-log.ts';
import { ForeignServerError, ReplicaError } from './refused-server.ts';
import { SentinelTopology } from './sentinel-topology.ts';
import { ServerQuestions } from './server-questions.ts';
import { readServerReport, readStandaloneReport } from './server-report.ts';
import { ServerTurns } from './server-turns.ts';
import { Topology } from './topology.ts';
import { TopologyLog } from './topology-log.ts';
import type { TopologyMember, TopologyMembership, TopologySource } from './topology-member.ts';

/** Delay of a refresh that becomes due during another refresh. */
const RUNNING_MS = 50;
/** Maximum number of servers whose last report is remembered. */
const MAX_SEEN = 64;

/** Creates the topology source. `options.role` names the source in logs and lists all roles that use the source. */
export function createTopologySource(options: RedisOptions): TopologySource {
  return options.sentinel === undefined ? new SharedTopology(options) : new SentinelTopology(options, options.sentinel);
}

class SharedTopology implements TopologySource {
  readonly guard: ConnectionGuard;
  readonly #redis: RedisOptions;
  readonly #seeds: ReadonlyMap<string, NodeAddress>;
  readonly #members = new Set<TopologyMember>();
  readonly #questions: ServerQuestions;
  readonly #nameWatch: NameWatch | undefined;
  readonly #pace = new RefreshPace();
  readonly #turns = new ServerTurns();
  readonly #failures: ConnectFailures;
  readonly #log: TopologyLog;
  readonly #seen = new Map<string, SeenReport>();
  #deployment: Deployment | undefined;
  #topology = Topology.empty();
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #lastStartMs = Number.NEGATIVE_INFINITY;
  #isRequested = false;
  #isRunning = false;
  /** Whether the last refresh found a server of the deployment. */
  #hasAnswer = false;
  #isClosed = false;
  #waiters: (() => void)[] = [];

  constructor(options: RedisOptions) {
    this.#redis = options;
    this.#seeds = new Map(options.seeds.map((seed) => [addressText(seed), { host: seed.host, port: seed.port }]));
    const { role, isTls, log } = options;
    this.#log = new TopologyLog(log, role);
    const refusals = () => [...this.#members].map((member) => member.refusals);
    this.#failures = new ConnectFailures({ role, isTls, log, command: CONNECT, refusals });
    this.#questions = new ServerQuestions(options, () => [...this.#members].map((member) => member.nodes));
    const [seed] = this.#seeds.values();
    if (seed !== undefined && this.#seeds.size === 1) {
      this.#nameWatch = new NameWatch({
        host: seed.host,
        lookup: options.lookup,
        isActive: () => this.#deployment?.kind === 'standalone',
        onMoved: (addresses) => this.#log.nameMoved(seed.host, addresses),
      });
    }
    this.guard = {
      verify: (address, send) => this.#verify(address, send),
      opened: (connection) => this.#nameWatch?.add(connection) ?? (() => undefined),
    };
  }

  join(member: TopologyMember): TopologyMembership {
    this.#members.add(member);
    if (!this.#topology.isEmpty) {
      member.onTopology(this.#topology.copy());
    }
    const source = this;
    return {
      get refusal() {
        return source.#failures.refusal ?? source.#log.refusal;
      },
      get status() {
        return { ...source.#log.status, reasons: source.#failures.reasons };
      },
      nudge: () => void this.#request(),
      wish: () => this.#wish(),
      close: () => this.#leave(member),
    };
  }

  #leave(member: TopologyMember): void {
    this.#members.delete(member);
    if (this.#members.size > 0) {
      return;
    }
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#nameWatch?.close();
    this.#questions.close();
    wakeAll(this.#waiters.splice(0));
  }

  async #verify(...[address, send]: Parameters<ConnectionGuard['verify']>): Promise<number | undefined> {
    const askedAtMs = this.#redis.clock.monotonicMs();
    const deployment = this.#deployment;
    if (deployment === undefined || deployment.kind === 'undecided') {
      return undefined;
    }
    const report =
      deployment.kind === 'cluster'
        ? await readServerReport(send, address, this.#redis.addressMap)
        : await readStandaloneReport(send, address);
    if (!isUsable(deployment, report)) {
      throw report.kind === 'standalone' && report.role === 'replica' ? new ReplicaError() : new ForeignServerError();
    }
    return report.kind === 'standalone' && report.role === 'master' ? askedAtMs : undefined;
  }

  /** Requests a refresh. Returns false if callers must wait for the next regular refresh instead. */
  #request(): boolean {
    this.#noteMissing();
    const waitMs = this.#pace.requestedMs(this.#redis.clock.monotonicMs(), this.#lastStartMs);
    if (waitMs === undefined) {
      return false;
    }
    this.#isRequested = true;
    this.#schedule(waitMs);
    return true;
  }

  /**
   * Requests a refresh and waits for it. During a long outage, the promise resolves at once, because a caller should
   * not wait for seconds without a result.
   */
  #wish(): Promise<void> {
    if (this.#isClosed || !this.#request()) {
      return Promise.resolve();
    }
    return new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#redis.clock.monotonicMs() + delayMs;
    if (this.#isClosed || (this.#timer !== undefined && dueMs >= this.#dueMs)) {
      return;
    }
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => void this.#tick(), delayMs);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    this.#timer = undefined;
    const nowMs = this.#redis.clock.monotonicMs();
    if (this.#isRunning) {
      this.#schedule(RUNNING_MS);
      return;
    }
    if (!this.#isRequested && !this.#pace.isDue(nowMs - this.#lastStartMs, this.#isWatching())) {
      this.#schedule(this.#pace.nextMs(nowMs));
      return;
    }
    this.#isRunning = true;
    this.#isRequested = false;
    this.#lastStartMs = nowMs;
    const waiters = this.#waiters.splice(0);
    let choice: Choice | undefined;
    try {
      choice = await this.#refresh(nowMs, waiters);
    } finally {
      this.#isRunning = false;
      wakeAll(waiters);
      const endMs = this.#redis.clock.monotonicMs();
      this.#hasAnswer = choice?.topology !== undefined;
      this.#noteMissing();
      const nextMs = this.#pace.nextMs(endMs);
      this.#schedule(Math.min(nextMs, Math.max(0, (choice?.recheckAtMs ?? Number.POSITIVE_INFINITY) - endMs)));
      if (this.#isRequested) {
        void this.#request();
      }
    }
  }

  /** Runs a round of queries. Resolves to the last choice of the round. */
  async #refresh(startedAtMs: number, waiters: (() => void)[]): Promise<Choice | undefined> {
    this.#deployment ??= { kind: 'undecided', sinceMs: startedAtMs };
    const whom = this.#whom(startedAtMs);
    const pending = new Set(whom.keys());
    const errors = new Map<string, unknown>();
    const isKept = this.#deployment.kind === 'standalone' && this.#seeds.size > 1;
    return await new Promise<Choice | undefined>((resolve) => {
      let isOver = false;
      const settle = (name: string): void => {
        pending.delete(name);
        if (isOver || this.#isClosed) {
          resolve(undefined);
          return;
        }
        const choice = this.#choose(startedAtMs, pending);
        if (choice.change !== undefined) {
          wakeAll(waiters);
        }
        if (choice.isFinal || pending.size === 0) {
          isOver = true;
          this.#noteReasons(whom, errors);
          resolve(choice);
        }
      };
      for (const [name, address] of whom) {
        this.#questions.ask(address, isKept).then(
          (report) => {
            this.#remember(name, { report, atMs: this.#redis.clock.monotonicMs() });
            settle(name);
          },
          (error: unknown) => {
            errors.set(name, error);
            settle(name);
          },
        );
      }
    });
  }

  #choose(startedAtMs: number, pending: ReadonlySet<string>): Choice {
    const before = this.#deployment as Deployment;
    const nowMs = this.#redis.clock.monotonicMs();
    const seeds = [...this.#seeds.values()];
    const choice = chooseDeployment(before, { nowMs, startedAtMs, seeds, pending, seen: this.#seen });
    this.#deployment = choice.deployment;
    if (choice.change !== undefined && choice.topology !== undefined) {
      this.#log.changed(choice.change, choice.topology);
    }
    if (choice.topology !== undefined && (choice.isFinal || choice.change !== undefined)) {
      this.#topology = choice.topology;
      for (const member of this.#members) {
        member.onTopology(choice.topology.copy());
      }
    }
    if (choice.isFinal || pending.size === 0) {
      this.#log.note(choice.notice);
    }
    return choice;
  }

  #remember(name: string, seen: SeenReport): void {
    this.#seen.delete(name);
    this.#seen.set(name, seen);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MAX_SEEN && oldest !== undefined) {
      this.#seen.delete(oldest);
    }
  }

  /** Records why servers failed, but only if no server answered. */
  #noteReasons(whom: ReadonlyMap<string, NodeAddress>, errors: ReadonlyMap<string, unknown>): void {
    if (errors.size < whom.size) {
      this.#failures.clear();
      return;
    }
    for (const [name, error] of errors) {
      this.#failures.failed(name, error);
    }
  }

  #noteMissing(): void {
    const missing = new Set<string>(this.#hasAnswer ? [] : ['(answer)']);
    for (const { current, nodes } of this.#members) {
      if (!current().isWhole) {
        missing.add('(slots)');
      }
      for (const name of current().masters().keys()) {
        if (nodes.get(name)?.isReady !== true) {
          missing.add(name);
        }
      }
    }
    this.#pace.note(missing, this.#redis.clock.monotonicMs());
  }

  /**
   * Returns whether changes must be detected soon. This is also the case if there are several standalone seeds, because
   * their replication ids must be recent.
   */
  #isWatching(): boolean {
    const needsHistory = this.#deployment?.kind === 'standalone' && this.#seeds.size > 1;
    return needsHistory || [...this.#members].some((member) => member.isWatching());
  }

  #whom(nowMs: number): Map<string, NodeAddress> {
    if (this.#deployment?.kind !== 'cluster') {
      return new Map(this.#seeds);
    }
    const nodes = [...this.#members].flatMap((member) => member.nodes.all()).filter((node) => node.isReady);
    return this.#turns.next({
      connected: new Map(nodes.map((node) => [node.name, node.address])),
      known: this.#topology.nodes(),
      seeds: this.#seeds,
      isLongTrouble: this.#pace.isLongTrouble(nowMs),
    });
  }
}

function wakeAll(waiters: readonly (() => void)[]): void {
  for (const wake of waiters) {
    wake();
  }
}
