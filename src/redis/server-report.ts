/**
 * Reads what one server reports about itself: the slots of its Cluster, or its role and replication ids.
 *
 * `replid` identifies the history of a data set. A replica has the same `replid` as its master. A promoted replica gets
 * a new id and reports the old id as `replid2`. This `replid2` proves that the server continues the old history. A
 * master that restarts gets a new id.
 *
 * Some servers refuse CLUSTER with ERR, because the command is renamed, unknown to a proxy, or disabled with an error
 * message that differs from the message of Redis. Such a server is treated as standalone if INFO does not contradict
 * this and INFO or ROLE reports its role. NOPERM does not indicate a standalone server, only that the user lacks a
 * permission.
 */
import type { NodeAddress } from './address.ts';
import { type AddressMap, NO_ADDRESS_MAP } from './address-map.ts';
import type { RedisReply } from './commands.ts';
import { ClusterHiddenError, SentinelError, UnusableServerError } from './refused-server.ts';
import { isRefusedForGood, isSentinel, parseInfoRole, parseRole, type ServerRole } from './role.ts';
import { Topology } from './topology.ts';

export interface ClusterReport {
  readonly kind: 'cluster';
  readonly address: NodeAddress;
  readonly topology: Topology;
}

export interface StandaloneReport {
  readonly kind: 'standalone';
  readonly address: NodeAddress;
  /** Role of the server; `unknown` if the ACL permits neither INFO nor ROLE. */
  readonly role: ServerRole;
  /** Replication id that identifies the history of the data set; undefined if the ACL does not permit INFO. */
  readonly replid: string | undefined;
  readonly replid2: string | undefined;
  /** Whether the server refused CLUSTER with an error other than `cluster support disabled`. */
  readonly refusesCluster?: true;
}

export type ServerReport = ClusterReport | StandaloneReport;

export type SendCommand = (command: readonly string[]) => Promise<RedisReply>;

/**
 * Reads the report of a server. Rejects if the server does not answer, or if it is a Cluster node that reports no
 * slots.
 */
export async function readServerReport(
  send: SendCommand,
  address: NodeAddress,
  addressMap: AddressMap = NO_ADDRESS_MAP,
): Promise<ServerReport> {
  try {
    const topology = Topology.fromClusterSlots(await send(['CLUSTER', 'SLOTS']), address.host, addressMap);
    if (topology.isEmpty) {
      throw new NoSlotsError('the Cluster node knows no slots');
    }
    return { kind: 'cluster', address, topology };
  } catch (error) {
    if (error instanceof Error && /cluster support disabled/i.test(error.message)) {
      return await readStandaloneReport(send, address);
    }
    if (error instanceof Error && /^ERR\b/.test(error.message)) {
      return await readReportWithoutCluster(send, address);
    }
    throw error;
  }
}

/**
 * Reads the report of a server that refuses CLUSTER. The server may still be a Cluster node whose CLUSTER command is
 * renamed. A master in a Cluster reports the same role as a standalone master.
 */
async function readReportWithoutCluster(send: SendCommand, address: NodeAddress): Promise<StandaloneReport> {
  const info = await unlessRefused(send(['INFO', 'cluster']));
  const report = await readStandaloneReport(send, address);
  if (report.role === 'unknown' && isSentinel(await unlessRefused(send(['ROLE'])))) {
    throw new SentinelError();
  }
  if (/^cluster_enabled:1/m.test(String(info ?? '')) || report.role === 'unknown') {
    throw new ClusterHiddenError();
  }
  return { ...report, refusesCluster: true };
}

/** Reads the report of a server that is certainly not a Cluster node. */
export async function readStandaloneReport(send: SendCommand, address: NodeAddress): Promise<StandaloneReport> {
  const info = await unlessRefused(send(['INFO', 'replication']));
  const report = parseInfo(String(info ?? ''), address);
  if (report.role !== 'unknown') {
    return report;
  }
  return { ...report, role: parseRole(await unlessRefused(send(['ROLE']))) };
}

class NoSlotsError extends UnusableServerError {}

function parseInfo(text: string, address: NodeAddress): StandaloneReport {
  return {
    kind: 'standalone',
    address,
    role: parseInfoRole(text),
    replid: idIn(text, 'master_replid'),
    replid2: idIn(text, 'master_replid2'),
  };
}

/** Returns the replication id of this field. A server without a second id reports forty zeros. */
function idIn(text: string, field: string): string | undefined {
  const id = new RegExp(`^${field}:([0-9a-f]+)`, 'm').exec(text)?.[1];
  return id === undefined || /^0*$/.test(id) ? undefined : id;
}

/**
 * Resolves to undefined if the server refuses the command because of an ACL or because the command is renamed. Rejects
 * if the connection is lost or the answer is missing.
 */
async function unlessRefused(reply: Promise<RedisReply>): Promise<RedisReply | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (isRefusedForGood(error)) {
      return undefined;
    }
    throw error;
  }
}
