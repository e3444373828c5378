/**
 * Defines the contract between the topology of a deployment and the roles that use it.
 */
import type { StoreError } from '../lib/store-error.ts';
import type { NodeTable } from './node-table.ts';
import type { ConnectionGuard } from './options.ts';
import type { RefusalLog } from './refusal-log.ts';
import type { Topology } from './topology.ts';

/** Role that uses the deployment. */
export interface TopologyMember {
  readonly nodes: NodeTable;
  readonly refusals: RefusalLog;
  readonly current: () => Topology;
  /** Returns whether callers must notice a topology change soon (watches, near cache). */
  readonly isWatching: () => boolean;
  /** Called with a separate copy of each new topology. */
  readonly onTopology: (topology: Topology) => void;
}

export interface TopologyStatus {
  /** Number of masters that are ignored, because nothing proves that they hold the data. */
  readonly conflictingMasters: number;
  /** Number of changes to another master or another deployment. */
  readonly changes: number;
  /** Number of Sentinels that name no master; absent without Sentinel. */
  readonly silentSentinels?: number;
  /** Current notices for operators, one sentence each. */
  readonly notices: readonly string[];
  /** Reason for each address (host:port) that cannot be used; empty while a server is used. */
  readonly reasons: ReadonlyMap<string, string>;
}

export interface TopologyMembership {
  /** Reason why no server can be used (refused login, several masters); undefined once one is used. */
  readonly refusal: StoreError | undefined;
  readonly status: TopologyStatus;
  /** Requests a refresh. */
  nudge(): void;
  /** Requests a refresh. Resolves when the next refresh has found a topology or has ended. Never rejects. */
  wish(): Promise<void>;
  close(): void;
}

export interface TopologySource {
  /** Guard for all connections of the members. */
  readonly guard: ConnectionGuard;
  join(member: TopologyMember): TopologyMembership;
}
