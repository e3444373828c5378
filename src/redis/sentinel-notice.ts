/**
 * Writes the notices about Sentinels for operators. The notices appear in the log and in /readyz. While no server is
 * used, they also appear in the errors that callers receive.
 */
import type { UndecidedReason } from './sentinel-election.ts';

export type UnconfirmedCause = 'silent' | 'refused' | 'replica' | 'cluster';

export type SentinelNotice =
  /** No majority of the Sentinels names a master. */
  | {
      readonly kind: 'sentinels_undecided';
      readonly masterName: string;
      /** Number of Sentinels that the URL lists. */
      readonly count: number;
      readonly reason: UndecidedReason;
      /** Master that remains in use until a majority names another one. */
      readonly master: string | undefined;
    }
  /** A majority of the Sentinels names a master, but that server does not confirm that it is a master. */
  | {
      readonly kind: 'master_unconfirmed';
      readonly masterName: string;
      readonly master: string;
      readonly cause: UnconfirmedCause;
    };

export function sentinelNoticeText(notice: SentinelNotice): string {
  if (notice.kind === 'master_unconfirmed') {
    return `cannot use the Redis master ${notice.master} of ${JSON.stringify(notice.masterName)}: the Sentinels name it, but ${CAUSES[notice.cause]}`;
  }
  const kept = notice.master === undefined ? '' : `; using ${notice.master} until a majority names another one`;
  return `cannot determine the Redis master of ${JSON.stringify(notice.masterName)}: ${reasonText(notice)}${kept}`;
}

const CAUSES = {
  silent: 'it does not answer',
  refused: 'it refuses to report its role',
  replica: 'it reports that it is a replica',
  cluster: 'it is a node of a Cluster; use a redis:// URL for a Cluster',
} as const;

function reasonText({ reason, count }: SentinelNotice & { kind: 'sentinels_undecided' }): string {
  switch (reason.kind) {
    case 'silent':
      return `${reason.sentinels.length} of ${count} Sentinels do not answer (${reason.sentinels.join(', ')})`;
    case 'unknown_name':
      return `${reason.sentinels.length} of ${count} Sentinels monitor no master of that name (${reason.sentinels.join(', ')}); correct the name in the URL`;
    case 'refused':
      return `${reason.sentinels.length} of ${count} Sentinels answer ${reason.code} (${reason.sentinels.join(', ')}); ${remedyOf(reason.code)}`;
    case 'disagreement':
      return `no majority of the ${count} Sentinels names the same master, they name ${reason.masters.join(', ')}`;
  }
}

function remedyOf(code: string): string {
  switch (code) {
    case 'NOAUTH':
    case 'WRONGPASS':
      return 'set PANNIER_REDIS_SENTINEL_PASSWORD_FILE and PANNIER_REDIS_SENTINEL_USERNAME';
    case 'NOPERM':
      return 'grant their user the permissions in docs/operations/redis.md';
    default:
      return 'check that the URL names Sentinels and not Redis servers';
  }
}
