/**
 * Chooses the deployment to use from the reports of its servers. Pure: the time and the reports are inputs.
 *
 * Invariants:
 *   1. A standalone master at one address is replaced by a master at another address only if the new master continues
 *      the replication history of the old master. The proof is that the `replid2` of the new master is a replication id
 *      that the old master has reported. If the old address does not answer, an equal replication id is also proof,
 *      because the server is the same. The replacement is immediate, even if the old master still reports that it is a
 *      master.
 *   2. The address in use remains in use even if its server reports another history, because a server without
 *      persistence restarts with a new history.
 *   3. At start, a standalone master is chosen only if no other seed is a master or may be one. A seed that does not
 *      answer is treated as a possible master until it has been silent for 10 s.
 *   4. A Cluster is replaced only by servers that report one of its node ids. As an exception, the Cluster is also
 *      replaced if no such server has answered for 30 s. In this case, every seed must answer, and all seeds must
 *      belong to the same deployment. A server that refuses CLUSTER without a known reason never replaces a Cluster,
 *      because the server may be a node of that Cluster.
 *   5. The outcome of a round does not depend on the order in which its reports arrive.
 */
import { addressText, type NodeAddress } from './address.ts';
import type { ClusterReport, ServerReport, StandaloneReport } from './server-report.ts';
import { Topology } from './topology.ts';
import type { TopologyNotice } from './topology-notice.ts';

/** Time for which a silent seed is treated as a possible master. */
const SILENCE_MS = 10_000;
/**
 * Time without an answer from any known node of the Cluster, after which another deployment may replace the Cluster.
 */
const REPLACEMENT_MS = 30_000;
/**
 * Maximum number of remembered replication ids of the server in use. After a restart of that server, its replica
 * reports only an earlier id.
 */
const MAX_HISTORY = 4;

export type Deployment =
  | { readonly kind: 'undecided'; readonly sinceMs: number }
  | { readonly kind: 'standalone'; readonly master: NodeAddress; readonly history: readonly string[] }
  | {
      readonly kind: 'cluster';
      readonly nodeIds: ReadonlySet<string>;
      /**
       * Time of the first round in which no known node answered; undefined if a known node answered in the last round.
       */
      readonly unknownSinceMs: number | undefined;
    };

export interface SeenReport {
  readonly report: ServerReport;
  readonly atMs: number;
}

/** Queries that were sent to several servers at the same time. */
export interface Round {
  readonly nowMs: number;
  readonly startedAtMs: number;
  /** Seed addresses, without duplicates. */
  readonly seeds: readonly NodeAddress[];
  /** Servers of this round that have neither answered nor failed yet. */
  readonly pending: ReadonlySet<string>;
  /** Latest report of each server, from this round or an earlier one. */
  readonly seen: ReadonlyMap<string, SeenReport>;
}

export type DeploymentChange =
  | { readonly cause: 'started'; readonly silent: readonly string[] }
  | { readonly cause: 'failover'; readonly from: string }
  /** Election by the Sentinels; `from` is undefined at start. */
  | { readonly cause: 'elected'; readonly from: string | undefined }
  | { readonly cause: 'same_address' }
  | { readonly cause: 'replaced' };

export interface Choice {
  readonly deployment: Deployment;
  /** Whether the choice is final, because no pending answer can change it. */
  readonly isFinal: boolean;
  /** Topology that a server of the deployment has confirmed in this round. */
  readonly topology?: Topology;
  readonly change?: DeploymentChange;
  readonly notice?: TopologyNotice;
  /** Monotonic time at which the choice may change even if no further report arrives. */
  readonly recheckAtMs?: number;
}

export function chooseDeployment(current: Deployment, round: Round): Choice {
  switch (current.kind) {
    case 'undecided':
      return chooseFirst(current, round);
    case 'standalone':
      return followMaster(current, round);
    case 'cluster':
      return followCluster(current, round);
  }
}

/** Returns whether commands may be sent to a newly connected server. */
export function isUsable(current: Deployment, report: ServerReport): boolean {
  switch (current.kind) {
    case 'undecided':
      return true;
    case 'standalone':
      return report.kind === 'standalone' && report.role !== 'replica';
    case 'cluster':
      return isOfCluster(report, current.nodeIds);
  }
}

function chooseFirst(current: Deployment & { kind: 'undecided' }, round: Round): Choice {
  const names = round.seeds.map(addressText);
  const cluster = freshReports(round, names).find((report) => report.kind === 'cluster');
  if (cluster !== undefined) {
    return adoptCluster(cluster, { cause: 'started', silent: [] });
  }
  const isFinal = !names.some((name) => round.pending.has(name));
  const masters = distinct(mastersOf(freshReports(round, names)));
  const recent = distinct(mastersOf(recentReports(round, names)));
  if (recent.length > 1) {
    return { deployment: current, isFinal, notice: { kind: 'several_masters', masters: recent.map(nameOf) } };
  }
  const [master] = masters;
  if (master === undefined) {
    const replicas = freshReports(round, names).map(nameOf);
    const notice = replicas.length === 0 ? {} : { notice: { kind: 'only_replicas', replicas } as const };
    return { deployment: current, isFinal, ...notice };
  }
  const silent = names.filter((name) => freshReport(round, name) === undefined);
  const waited = silent
    .map((name) => ({ name, untilMs: Math.max(current.sinceMs, round.seen.get(name)?.atMs ?? 0) + SILENCE_MS }))
    .filter(({ untilMs }) => untilMs > round.nowMs);
  if (!isFinal || waited.length > 0) {
    return {
      deployment: current,
      isFinal,
      notice: { kind: 'waiting_for_seeds', master: nameOf(master), silent: waited.map(({ name }) => name) },
      ...(isFinal ? { recheckAtMs: Math.max(...waited.map(({ untilMs }) => untilMs)) } : {}),
    };
  }
  return adoptMaster(master, { cause: 'started', silent });
}

function followMaster(current: Deployment & { kind: 'standalone' }, round: Round): Choice {
  const name = addressText(current.master);
  const own = freshReport(round, name);
  if (own?.kind === 'cluster') {
    return adoptCluster(own, { cause: 'same_address' });
  }
  const isMaster = own !== undefined && own.role !== 'replica';
  const deployment = isMaster ? { ...current, history: withId(current.history, own.replid) } : current;
  if (round.pending.size > 0) {
    return { deployment, isFinal: false };
  }
  const otherNames = round.seeds.map(addressText).filter((seed) => seed !== name);
  const others = distinct(mastersOf(freshReports(round, otherNames)));
  const successors = others.filter((other) => continues(other, deployment.history, own === undefined));
  const [successor] = successors;
  if (successor !== undefined && successors.length === 1) {
    return adoptMaster(successor, { cause: 'failover', from: name });
  }
  const rivals = distinct(mastersOf(recentReports(round, otherNames)))
    .filter(({ replid }) => replid === undefined || replid !== deployment.history[0])
    .map(nameOf);
  const [latest] = recentReports(round, [name]);
  const isLost = latest === undefined || mastersOf([latest]).length === 0;
  const notice: TopologyNotice = isLost
    ? { kind: 'master_lost', master: name, isReplica: latest !== undefined, ignored: rivals }
    : { kind: 'other_masters', master: name, ignored: rivals };
  return {
    deployment,
    isFinal: true,
    ...(isMaster ? { topology: Topology.standalone(current.master) } : {}),
    ...(rivals.length > 0 || own?.role === 'replica' ? { notice } : {}),
  };
}

function followCluster(current: Deployment & { kind: 'cluster' }, round: Round): Choice {
  const fresh = freshReports(round, [...round.seen.keys()]);
  const known = fresh.find((report) => isOfCluster(report, current.nodeIds));
  if (known?.kind === 'cluster') {
    return adoptCluster(known, undefined);
  }
  if (round.pending.size > 0) {
    return { deployment: current, isFinal: false };
  }
  const unknownSinceMs = current.unknownSinceMs ?? round.nowMs;
  if (round.nowMs - unknownSinceMs >= REPLACEMENT_MS) {
    const replacement = chooseReplacement(round);
    if (replacement !== undefined) {
      return replacement;
    }
  }
  // The notice uses all recent reports, because each round queries different nodes. If the notice used only the reports
  // of one round, the notice would change in every round.
  const strangers = recentReports(round, [...round.seen.keys()]).filter(
    (report) => !isOfCluster(report, current.nodeIds),
  );
  const notice = { kind: 'foreign_servers', servers: strangers.map(nameOf).sort() } as const;
  const deployment = { ...current, unknownSinceMs };
  return { deployment, isFinal: true, ...(strangers.length === 0 ? {} : { notice }) };
}

/**
 * Returns the choice of the deployment to which every seed belongs. Returns undefined if a seed did not answer, or if
 * the seeds do not all belong to the same deployment.
 */
function chooseReplacement(round: Round): Choice | undefined {
  const names = round.seeds.map(addressText);
  const reports = freshReports(round, names);
  const choice = chooseFirst({ kind: 'undecided', sinceMs: round.nowMs }, round);
  const { deployment } = choice;
  if (reports.length < names.length || deployment.kind === 'undecided') {
    return undefined;
  }
  const agree = reports.every((report) =>
    deployment.kind === 'cluster'
      ? report.kind === 'cluster' && isKnown(report, deployment.nodeIds)
      : report.kind === 'standalone' && report.refusesCluster !== true,
  );
  return agree ? { ...choice, change: { cause: 'replaced' } } : undefined;
}

function adoptMaster(master: StandaloneReport, change: DeploymentChange): Choice {
  return {
    deployment: { kind: 'standalone', master: master.address, history: withId([], master.replid) },
    isFinal: true,
    topology: Topology.standalone(master.address),
    change,
  };
}

function adoptCluster({ topology }: ClusterReport, change: DeploymentChange | undefined): Choice {
  return {
    deployment: { kind: 'cluster', nodeIds: topology.nodeIds(), unknownSinceMs: undefined },
    isFinal: true,
    topology,
    ...(change === undefined ? {} : { change }),
  };
}

/**
 * Returns whether the other server continues this replication history. A server with the same replication id is the
 * server in use under another address. Such a server is accepted only while the address in use does not answer.
 */
function continues(other: StandaloneReport, history: readonly string[], isSilent: boolean): boolean {
  const isPromoted = other.replid2 !== undefined && history.includes(other.replid2);
  return isPromoted || (isSilent && other.replid !== undefined && other.replid === history[0]);
}

/**
 * Returns whether the reported Cluster has one of the node ids. If the nodes of the known Cluster reported no ids,
 * every Cluster is accepted.
 */
function isKnown({ topology }: ClusterReport, nodeIds: ReadonlySet<string>): boolean {
  return nodeIds.size === 0 || [...topology.nodeIds()].some((id) => nodeIds.has(id));
}

function isOfCluster(report: ServerReport, nodeIds: ReadonlySet<string>): boolean {
  return report.kind === 'cluster' && isKnown(report, nodeIds);
}

function withId(history: readonly string[], id: string | undefined): readonly string[] {
  return id === undefined ? history : [id, ...history.filter((other) => other !== id)].slice(0, MAX_HISTORY);
}

function freshReport({ seen, startedAtMs }: Round, name: string): ServerReport | undefined {
  const found = seen.get(name);
  return found !== undefined && found.atMs >= startedAtMs ? found.report : undefined;
}

function freshReports(round: Round, names: readonly string[]): ServerReport[] {
  return names.map((name) => freshReport(round, name)).filter((report) => report !== undefined);
}

/**
 * Returns the reports of the last 10 s, including those of servers that no longer answer. A short stall of a server
 * must not hide a second master.
 */
function recentReports({ seen, nowMs }: Round, names: readonly string[]): ServerReport[] {
  return names
    .map((name) => seen.get(name))
    .filter((found) => found !== undefined && nowMs - found.atMs < SILENCE_MS)
    .map((found) => (found as SeenReport).report);
}

/**
 * Returns the reports of standalone masters. A server that does not report its role is included, because it may be a
 * master.
 */
function mastersOf(reports: readonly ServerReport[]): StandaloneReport[] {
  return reports.filter((report) => report.kind === 'standalone' && report.role !== 'replica') as StandaloneReport[];
}

/**
 * Returns the masters without duplicates. Two masters with the same replication id are one server under two addresses.
 */
function distinct(masters: readonly StandaloneReport[]): StandaloneReport[] {
  return masters.filter(
    ({ replid }, index) => replid === undefined || masters.findIndex((other) => other.replid === replid) === index,
  );
}

function nameOf({ address }: ServerReport): string {
  return addressText(address);
}
