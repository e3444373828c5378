/**
 * The contract between the topology of a deployment and the roles that use it.
 */
import type { StoreError } from '../lib/store-error.ts';
import type { NodeTable } from './node-table.ts';
import type { ConnectionGuard } from './options.ts';
import type { RefusalLog } from './refusal-log.ts';
import type { Topology } from './topology.ts';

/** One role that uses the deployment. */
export interface TopologyMember {
  readonly nodes: NodeTable;
  readonly refusals: RefusalLog;
  readonly current: () => Topology;
  /** Whether callers depend on noticing a change soon (watches, near cache). */
  readonly isWatching: () => boolean;
  /** Called with a copy of its own. */
  readonly onTopology: (topology: Topology) => void;
}

export interface TopologyStatus {
  /** Masters that are not used, because nothing proves that they hold the data. */
  readonly conflictingMasters: number;
  /** Changes to another master or another deployment. */
  readonly changes: number;
  /** Sentinels that name no master; absent without Sentinel. */
  readonly silentSentinels?: number;
  /** What an operator must know now, one sentence each. */
  readonly notices: readonly string[];
  /** Why each address (host:port) could not be used, while no server is. */
  readonly reasons: ReadonlyMap<string, string>;
}

export interface TopologyMembership {
  /** Why no server can be used (a refused login, several masters); undefined once one is. */
  readonly refusal: StoreError | undefined;
  readonly status: TopologyStatus;
  /** Refreshes soon. */
  nudge(): void;
  /** Refreshes soon. Resolves when the next refresh has found a topology or has ended; never rejects. */
  wish(): Promise<void>;
  close(): void;
}

export interface TopologySource {
  /** For all connections of the members. */
  readonly guard: ConnectionGuard;
  join(member: TopologyMember): TopologyMembership;
}
