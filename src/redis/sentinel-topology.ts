/**
 * Maintains the topology of a deployment with Sentinels: uses the master that a majority of the Sentinels names, and
 * updates the roles that use the deployment.
 *
 * Invariants:
 *   1. The master is the server that a majority of the Sentinels in the URL names (sentinel-election.ts). The server is
 *      used only after ROLE has confirmed that it is a master. Its replication ids are ignored, because the Sentinels
 *      choose the master.
 *   2. The server in use is abandoned as soon as a majority names another server and that server confirms that it is a
 *      master. If the other server does not confirm this in reply to the first query, the old server is abandoned
 *      without a successor. So a promoted replica and a partitioned old master are never used at the same time.
 *   3. Without a majority, the server in use remains in use while it is a master. At start, no server is chosen.
 *   4. One server is queried at a time. If a server does not confirm that it is a master, the delay between queries to
 *      this server grows to between 2 and 4 s.
 *   5. The topology is maintained until its last member has left. No method throws.
 */
import { backoffMs } from '../lib/backoff.ts';
import { addressText, type NodeAddress } from './address.ts';
import { ConnectFailures } from './connect-failure.ts';
import { isServerAnswer } from './connect-reason.ts';
import type { ConnectionGuard, RedisOptions, SentinelOptions } from './options.ts';
import { CONNECT } from './refusal-log.ts';
import { ForeignServerError, ReplicaError } from './refused-server.ts';
import { elect, majorityOf, type SentinelVote } from './sentinel-election.ts';
import { SentinelLink } from './sentinel-link.ts';
import type { UnconfirmedCause } from './sentinel-notice.ts';
import { ServerQuestions } from './server-questions.ts';
import { readStandaloneReport, type ServerReport } from './server-report.ts';
import { Topology } from './topology.ts';
import { TopologyLog } from './topology-log.ts';
import type { TopologyMember, TopologyMembership, TopologySource } from './topology-member.ts';

const CONFIRM = { firstMs: 100, maxMs: 4_000 };
/** Time, in ms, within which requests share one round of queries. */
const SHARED_MS = 250;
/**
 * Time without a usable master after which requests no longer start a round of queries. Every call may request a round,
 * and the Sentinels are queried every second anyway.
 */
const LONG_TROUBLE_MS = 5_000;

/** Role queries to the elected server, until it confirms that it is a master. */
interface Confirmation {
  readonly name: string;
  readonly master: NodeAddress;
  /** Number of consecutive queries without a confirmation. */
  failures: number;
  running: Promise<void> | undefined;
  retry: NodeJS.Timeout | undefined;
}

export class SentinelTopology implements TopologySource {
  readonly guard: ConnectionGuard;
  readonly #redis: RedisOptions;
  readonly #masterName: string;
  readonly #members = new Set<TopologyMember>();
  readonly #questions: ServerQuestions;
  readonly #votes = new Map<string, SentinelVote>();
  readonly #links: readonly SentinelLink[];
  readonly #failures: ConnectFailures;
  readonly #log: TopologyLog;
  /** Master in use. */
  #master: NodeAddress | undefined;
  #lastMaster: NodeAddress | undefined;
  #confirmation: Confirmation | undefined;
  #round: Promise<void> | undefined;
  #roundAtMs = Number.NEGATIVE_INFINITY;
  #troubleSinceMs: number | undefined;
  #hasWarned = false;
  #isClosed = false;

  constructor(options: RedisOptions, sentinel: SentinelOptions) {
    this.#redis = options;
    this.#masterName = sentinel.masterName;
    const { log, role, isTls } = options;
    this.#log = new TopologyLog(log, role);
    const refusals = () => [...this.#members].map((member) => member.refusals);
    this.#failures = new ConnectFailures({ role, isTls, log, command: CONNECT, refusals });
    this.#questions = new ServerQuestions(options, () => [...this.#members].map((member) => member.nodes));
    this.guard = {
      verify: (address, send) => this.#verify(address, send),
      opened: () => () => undefined,
    };
    for (const address of options.seeds) {
      this.#votes.set(addressText(address), { kind: 'pending' });
    }
    this.#links = options.seeds.map((address) => {
      const onVote = (vote: SentinelVote): void => this.#voted(addressText(address), vote);
      const onOthers = (count: number): void => this.#warnOfUnlisted(count + 1);
      return new SentinelLink({ address, redis: options, sentinel, refusals, onVote, onOthers });
    });
  }

  join(member: TopologyMember): TopologyMembership {
    this.#members.add(member);
    if (this.#master !== undefined) {
      member.onTopology(Topology.standalone(this.#master));
    }
    const source = this;
    return {
      get refusal() {
        return source.#failures.refusal ?? source.#log.refusal;
      },
      get status() {
        const silentSentinels = [...source.#votes.values()].filter(({ kind }) => kind !== 'master').length;
        return { ...source.#log.status, silentSentinels, reasons: source.#reasons() };
      },
      nudge: () => void this.#request(),
      wish: () => this.#request(),
      close: () => this.#leave(member),
    };
  }

  #leave(member: TopologyMember): void {
    this.#members.delete(member);
    if (this.#members.size === 0) {
      this.#isClosed = true;
      clearTimeout(this.#confirmation?.retry);
      this.#questions.close();
      for (const link of this.#links) {
        link.close();
      }
    }
  }

  async #verify(...[address, send]: Parameters<ConnectionGuard['verify']>): Promise<number | undefined> {
    const askedAtMs = this.#redis.clock.monotonicMs();
    const report = await readStandaloneReport(send, address);
    if (report.role === 'replica') {
      throw new ReplicaError();
    }
    // Another server may have been elected in the meantime.
    if (!this.#isInUse(address)) {
      throw new ForeignServerError();
    }
    return report.role === 'master' ? askedAtMs : undefined;
  }

  /** Resolves when all Sentinels, and then the server that they name, have been queried. */
  #request(): Promise<void> {
    const nowMs = this.#redis.clock.monotonicMs();
    const isLongTrouble = this.#troubleSinceMs !== undefined && nowMs - this.#troubleSinceMs >= LONG_TROUBLE_MS;
    if (this.#isClosed || isLongTrouble) {
      return Promise.resolve();
    }
    this.#round ??= this.#askAll(Math.max(0, this.#roundAtMs + SHARED_MS - nowMs));
    return this.#round;
  }

  async #askAll(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, waitMs).unref();
    });
    this.#round = undefined;
    this.#roundAtMs = this.#redis.clock.monotonicMs();
    await Promise.all(this.#links.map((link) => link.ask()));
    this.#follow();
    await this.#confirmation?.running;
  }

  #voted(name: string, vote: SentinelVote): void {
    this.#votes.set(name, vote);
    this.#follow();
  }

  /**
   * Warns if a majority of the Sentinels in the URL is not a majority of all known Sentinels. Sentinels that the URL
   * does not list still have no vote.
   */
  #warnOfUnlisted(known: number): void {
    const listed = this.#votes.size;
    if (!this.#hasWarned && majorityOf(listed) < majorityOf(known)) {
      this.#hasWarned = true;
      this.#redis.log.warn(
        { role: this.#redis.role, listed, known },
        'the URL lists too few of the Redis Sentinels, so that a minority of them can decide; list all of them',
      );
    }
  }

  #follow(): void {
    if (this.#isClosed) {
      return;
    }
    const election = elect(this.#votes);
    if (election.kind === 'elected') {
      this.#elected(election.master);
    } else if (election.kind === 'undecided') {
      const master = this.#master === undefined ? undefined : addressText(this.#master);
      const about = { masterName: this.#masterName, count: this.#votes.size, master };
      this.#log.note({ kind: 'sentinels_undecided', ...about, reason: election.reason });
    }
    const isWell = election.kind === 'elected' && this.#isInUse(election.master) && this.#isConnected();
    this.#troubleSinceMs = isWell ? undefined : (this.#troubleSinceMs ?? this.#redis.clock.monotonicMs());
  }

  #elected(master: NodeAddress): void {
    if (this.#isInUse(master) && this.#isConnected()) {
      this.#confirmed(master);
      return;
    }
    const name = addressText(master);
    if (this.#confirmation?.name !== name) {
      clearTimeout(this.#confirmation?.retry);
      this.#confirmation = { name, master, failures: 0, running: undefined, retry: undefined };
    }
    const confirmation = this.#confirmation;
    if (confirmation.running === undefined && confirmation.retry === undefined) {
      confirmation.running = this.#confirm(confirmation);
    }
  }

  async #confirm(confirmation: Confirmation): Promise<void> {
    const { master } = confirmation;
    let report: ServerReport | undefined;
    let failure: unknown;
    try {
      report = await this.#questions.ask(master, false);
    } catch (error) {
      failure = error;
    }
    confirmation.running = undefined;
    const election = elect(this.#votes);
    const isElected = election.kind === 'elected' && addressText(election.master) === confirmation.name;
    if (this.#isClosed || this.#confirmation !== confirmation || !isElected) {
      return;
    }
    if (report?.kind === 'standalone' && report.role !== 'replica') {
      this.#confirmed(master);
      return;
    }
    this.#notConfirmed(confirmation, unconfirmedCause(report, failure));
    if (report === undefined) {
      this.#failures.failed(confirmation.name, failure);
    }
  }

  #confirmed(master: NodeAddress): void {
    const isChanged = !this.#isInUse(master);
    clearTimeout(this.#confirmation?.retry);
    this.#confirmation = undefined;
    this.#failures.clear();
    this.#log.note(undefined);
    if (isChanged) {
      const from = this.#lastMaster === undefined ? undefined : addressText(this.#lastMaster);
      this.#master = master;
      this.#lastMaster = master;
      this.#log.changed({ cause: 'elected', from }, Topology.standalone(master));
    }
    if (isChanged || !this.#isConnected()) {
      this.#publish(Topology.standalone(master));
    }
  }

  #notConfirmed(confirmation: Confirmation, cause: UnconfirmedCause): void {
    const { name, master } = confirmation;
    if (this.#master !== undefined && !this.#isInUse(master)) {
      this.#master = undefined;
      this.#publish(Topology.empty());
    }
    this.#log.note({ kind: 'master_unconfirmed', masterName: this.#masterName, master: name, cause });
    const delayMs = backoffMs(confirmation.failures, CONFIRM);
    confirmation.failures += 1;
    confirmation.retry = setTimeout(() => {
      confirmation.retry = undefined;
      this.#follow();
    }, delayMs);
    confirmation.retry.unref();
  }

  #reasons(): ReadonlyMap<string, string> {
    return new Map([...this.#links.flatMap((link) => [...link.reasons]), ...this.#failures.reasons]);
  }

  #publish(topology: Topology): void {
    for (const member of this.#members) {
      member.onTopology(topology.copy());
    }
  }

  #isInUse(address: NodeAddress): boolean {
    return this.#master !== undefined && addressText(this.#master) === addressText(address);
  }

  /** Returns whether all members are connected to the master in use. */
  #isConnected(): boolean {
    const name = this.#master === undefined ? '' : addressText(this.#master);
    return [...this.#members].every(({ nodes }) => nodes.get(name)?.isReady === true);
  }
}

function unconfirmedCause(report: ServerReport | undefined, failure: unknown): UnconfirmedCause {
  if (report === undefined) {
    return isServerAnswer(failure) ? 'refused' : 'silent';
  }
  return report.kind === 'cluster' ? 'cluster' : 'replica';
}
