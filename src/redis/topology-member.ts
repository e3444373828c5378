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
  /** Returns whether the member must be updated soon after a topology change, as watches and the near cache require. */
  readonly isWatching: () => boolean;
  /** Called with each new topology. Every member receives a separate copy. */
  readonly onTopology: (topology: Topology) => void;
}

export interface TopologyStatus {
  /** Number of masters that are ignored, because there is no proof that they have the data of the deployment. */
  readonly conflictingMasters: number;
  /** Number of changes to another master or another deployment. */
  readonly changes: number;
  /** Number of Sentinels that name no master; absent if the deployment has no Sentinels. */
  readonly silentSentinels?: number;
  /** Current notices for operators, one sentence each. */
  readonly notices: readonly string[];
  /** Reason why each address (host:port) cannot be used; empty while a server is used. */
  readonly reasons: ReadonlyMap<string, string>;
}

export interface TopologyMembership {
  /** Reason why no server can be used (refused login, several masters); undefined once a server is used. */
  readonly refusal: StoreError | undefined;
  readonly status: TopologyStatus;
  /** Requests a refresh. */
  nudge(): void;
  /**
   * Requests a refresh. Resolves when the next refresh has found a topology or has ended without one. Never rejects.
   */
  wish(): Promise<void>;
  close(): void;
}

export interface TopologySource {
  /** Guard for all connections of the members. */
  readonly guard: ConnectionGuard;
  join(member: TopologyMember): TopologyMembership;
}
