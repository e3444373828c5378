/**
 * What SessionService answers: the store's records as messages, and its refusals in words.
 */
import type { UserLimit } from '../config/policy-file.ts';
import type { Session } from '../grpc/generated/pannier/v1/Session.ts';
import type { SessionInfo } from '../grpc/generated/pannier/v1/SessionInfo.ts';
import { Status, StatusError } from '../grpc/status.ts';
import { endOf, type ListedSession, MAX_DATA_BYTES, MAX_DATA_FIELDS, type SessionRecord } from './model.ts';

export function sessionMessage(session: SessionRecord, sessionId: string): Session {
  return {
    sessionId,
    userId: session.userId,
    data: Object.fromEntries(session.data),
    version: session.version,
    createdAtMs: session.createdAtMs,
    lastSeenAtMs: session.lastSeenAtMs,
    expiresAtMs: endOf(session),
    idleTtlMs: session.idleTtlMs,
    absoluteExpiresAtMs: session.absoluteEndMs,
    handle: session.handle,
  };
}

export function listedMessage(session: ListedSession): SessionInfo {
  return {
    handle: session.handle,
    createdAtMs: session.createdAtMs,
    lastSeenAtMs: session.lastSeenAtMs,
    expiresAtMs: session.expiresAtMs,
    labels: Object.fromEntries(session.labels),
  };
}

export function sessionNotFound(action: string): StatusError {
  const text = 'no live session has this session_id, wanted one that has neither expired nor been ended';
  return new StatusError(Status.NOT_FOUND, `cannot ${action}: ${text}`);
}

export function keptSessionNotFound(action: string): StatusError {
  const text =
    'no live session of this user has the except_session_id, wanted one that is to be kept; nothing was deleted';
  return new StatusError(Status.NOT_FOUND, `cannot ${action}: ${text}`);
}

export function versionConflict(action: string, version: number, wanted: number | undefined): StatusError {
  return new StatusError(Status.ABORTED, `cannot ${action}: its version is ${version}, wanted ${wanted}`);
}

export function userFull(action: string, limit: UserLimit | undefined): StatusError {
  const cause = `the user has as many live sessions as sessions.max_per_user allows (${limit?.maxSessions})`;
  return new StatusError(
    Status.RESOURCE_EXHAUSTED,
    `cannot ${action}: ${cause}; end one of them, or wait until one has expired`,
  );
}

export function dataTooLarge(action: string, found: { fields: number; bytes: number }): StatusError {
  const isFields = found.fields > MAX_DATA_FIELDS;
  const have = isFields ? `${found.fields} fields` : `${found.bytes} bytes`;
  const wanted = isFields ? MAX_DATA_FIELDS : MAX_DATA_BYTES;
  return new StatusError(
    Status.RESOURCE_EXHAUSTED,
    `cannot ${action}: its data would have ${have}, wanted at most ${wanted}`,
  );
}
