/**
 * Defines the notices about the choice of the master or the Cluster. Each notice is logged when it begins and when it
 * ends, and /readyz shows the current notice.
 */
import { type SentinelNotice, sentinelNoticeText } from './sentinel-notice.ts';

export type TopologyNotice =
  | SentinelNotice
  /** At start, no master is used, because a seed that does not answer may be a master too. */
  | { readonly kind: 'waiting_for_seeds'; readonly master: string; readonly silent: readonly string[] }
  /** At start, no master is used, because several seeds are masters. */
  | { readonly kind: 'several_masters'; readonly masters: readonly string[] }
  /** At start, no seed that answered is a master. */
  | { readonly kind: 'only_replicas'; readonly replicas: readonly string[] }
  /** A master is used, and other seeds are masters too. */
  | { readonly kind: 'other_masters'; readonly master: string; readonly ignored: readonly string[] }
  /** The master in use has become a replica or does not answer, and no seed continues its history. */
  | {
      readonly kind: 'master_lost';
      readonly master: string;
      readonly isReplica: boolean;
      readonly ignored: readonly string[];
    }
  /** No known node of the Cluster answers, but servers that do not belong to the Cluster answer. */
  | { readonly kind: 'foreign_servers'; readonly servers: readonly string[] };

export function noticeText(notice: TopologyNotice): string {
  switch (notice.kind) {
    case 'waiting_for_seeds':
      return `cannot use the Redis master ${notice.master} yet: waiting up to 10 s for ${list(notice.silent)}, which may be a master too`;
    case 'several_masters':
      return `cannot choose a Redis master: ${list(notice.masters)} are all masters; make all but one a replica or remove it`;
    case 'only_replicas':
      return `cannot find a Redis master: every seed that answered is a replica (${list(notice.replicas)}); add the master to the seeds`;
    case 'other_masters':
      return `more than one Redis master: using ${notice.master}, ignoring ${list(notice.ignored)}; make all but one a replica or remove it`;
    case 'master_lost':
      return `${lost(notice)}${ignored(notice.ignored)}`;
    case 'sentinels_undecided':
    case 'master_unconfirmed':
      return sentinelNoticeText(notice);
    case 'foreign_servers':
      return `cannot reach the Redis Cluster: ignoring servers that do not belong to it (${list(notice.servers)}); point the seeds at its nodes`;
  }
}

/** Returns whether an operator must act. All other notices end without operator action. */
export function isNoticeError(notice: TopologyNotice): boolean {
  return notice.kind === 'foreign_servers' || isMisconfigured(notice) || conflictingMasters(notice) > 0;
}

/**
 * Returns whether the settings of the Sentinels or the permissions of their user are wrong. In that case, calls are
 * rejected until an operator corrects them.
 */
export function isMisconfigured(notice: TopologyNotice): boolean {
  switch (notice.kind) {
    case 'sentinels_undecided':
      return notice.reason.kind === 'unknown_name' || notice.reason.kind === 'refused';
    case 'master_unconfirmed':
      return notice.cause === 'cluster';
    default:
      return false;
  }
}

/**
 * Returns the number of masters that are ignored, because there is no proof that they have the data of the deployment.
 */
export function conflictingMasters(notice: TopologyNotice | undefined): number {
  switch (notice?.kind) {
    case 'several_masters':
      return notice.masters.length;
    case 'other_masters':
    case 'master_lost':
      return notice.ignored.length;
    default:
      return 0;
  }
}

/** Returns the identity of a notice. Two notices with the same identity are logged as one event. */
export function noticeIdentity(notice: TopologyNotice | undefined): string {
  switch (notice?.kind) {
    case undefined:
      return '';
    case 'sentinels_undecided':
      // The identity does not include the list of silent Sentinels, because this list changes when a Sentinel restarts.
      return `${notice.kind} ${notice.reason.kind}`;
    default:
      return JSON.stringify(notice);
  }
}

function lost({ master, isReplica }: TopologyNotice & { kind: 'master_lost' }): string {
  return isReplica
    ? `the Redis master ${master} has become a replica, and no seed is a master that continues its history`
    : `the Redis master ${master} does not answer`;
}

function ignored(names: readonly string[]): string {
  return names.length === 0
    ? ''
    : `; ignoring ${list(names)}, because only a single master that continues this history is used (restart the sidecar to choose again)`;
}

function list(names: readonly string[]): string {
  return names.join(', ');
}
