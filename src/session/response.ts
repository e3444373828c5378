/**
 * Converts the records of the store into the responses and errors of SessionService.
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
  const text = `cannot ${action}: the session does not exist or has ended; create a new one`;
  return new StatusError(Status.NOT_FOUND, text);
}

export function keptSessionNotFound(action: string): StatusError {
  const cause = 'except_session_id is not the id of a live session of this user';
  return new StatusError(Status.NOT_FOUND, `cannot ${action}: ${cause}; use such an id or leave it unset`);
}

export function versionConflict(action: string, version: number, expected: number | undefined): StatusError {
  const text = `cannot ${action}: its version is ${version}, not ${expected}; read the session and retry`;
  return new StatusError(Status.ABORTED, text);
}

export function userFull(action: string, limit: UserLimit | undefined): StatusError {
  const cause = `the user has as many live sessions as sessions.max_per_user allows (${limit?.maxSessions})`;
  return new StatusError(
    Status.RESOURCE_EXHAUSTED,
    `cannot ${action}: ${cause}; end one of them or wait until one expires`,
  );
}

export function dataTooLarge(action: string, found: { fields: number; bytes: number }): StatusError {
  const isFields = found.fields > MAX_DATA_FIELDS;
  const size = isFields ? `${found.fields} fields` : `${found.bytes} bytes`;
  const max = isFields ? MAX_DATA_FIELDS : MAX_DATA_BYTES;
  return new StatusError(
    Status.RESOURCE_EXHAUSTED,
    `cannot ${action}: its data would have ${size}, more than the maximum of ${max}; store less data`,
  );
}
