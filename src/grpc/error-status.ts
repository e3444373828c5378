/**
 * The one table that turns an error into a gRPC status; docs/reference/errors.md is checked against it.
 *
 * Promises:
 *   1. A StatusError passes as it is. A StoreError becomes the row of its server code, else the row of its kind; that a
 *      command may have been executed (kind `unknown`) and that the call's time is over (`deadline`) outrank a server code.
 *   2. Everything else is our mistake: INTERNAL with a fixed text that names the log, so its cause is logged here, in the same step.
 *   3. Messages are well-formed text of at most 1,000 characters.
 */
import type { Logger } from '../lib/logger.ts';
import { StoredFormatError, StoreError, type StoreErrorKind } from '../lib/store-error.ts';
import { Status, type StatusCode, StatusError } from './status.ts';

const MAX_MESSAGE_LENGTH = 1_000;
const INTERNAL_TEXT = "cannot answer: internal error, see the sidecar's log";

export interface ErrorStatus {
  readonly code: StatusCode;
  readonly message: string;
  /** Sent as `grpc-retry-pushback-ms`. */
  readonly retryPushbackMs?: number;
}

/** Where unexpected errors go. */
export type ErrorLog = Pick<Logger, 'error'>;

export interface StatusRow {
  readonly code: StatusCode;
  /** What was found and what is wanted; follows "cannot use the store: ". */
  readonly text: string;
  readonly retryPushbackMs?: number;
}

/** By what a caller may conclude. The text follows the detail of the error. */
export const STORE_ERROR_ROWS = {
  unavailable: { code: Status.UNAVAILABLE, text: 'nothing was done, repeat the call', retryPushbackMs: 100 },
  unknown: { code: Status.UNKNOWN, text: 'it may have happened' },
  deadline: { code: Status.DEADLINE_EXCEEDED, text: 'nothing was done' },
  forbidden: { code: Status.FAILED_PRECONDITION, text: 'an operator must change the server or the settings' },
  full: { code: Status.RESOURCE_EXHAUSTED, text: 'nothing was done' },
} as const satisfies Record<StoreErrorKind, StatusRow>;

/** By Redis' own error code. None of these commands was executed. */
export const SERVER_ERROR_ROWS: ReadonlyMap<string, StatusRow> = new Map<string, StatusRow>(
  Object.entries({
    OOM: unavailable(1_000, 'Redis is at maxmemory and refuses writes, wanted free memory (maxmemory, eviction)'),
    MISCONF: unavailable(1_000, 'Redis cannot save to its disk and refuses writes, wanted a disk that works'),
    READONLY: unavailable(100, 'the node is a read-only replica, wanted the master (a failover may be under way)'),
    LOADING: unavailable(1_000, 'Redis is loading its data, wanted a server that has started'),
    BUSY: unavailable(100, 'Redis is busy with a script or function of somebody, wanted a free server'),
    UNKILLABLE: unavailable(1_000, 'Redis is held by a script that has written, wanted a free server'),
    NOREPLICAS: unavailable(1_000, 'too few replicas are connected (min-replicas-to-write), wanted more'),
    CLUSTERDOWN: unavailable(100, 'the cluster does not serve this slot, wanted a master of it'),
    MASTERDOWN: unavailable(100, 'the replica has lost its master, wanted a master'),
    TRYAGAIN: unavailable(100, 'the slot is migrating, wanted it settled'),
    MOVED: unavailable(100, 'the slot has moved, wanted its new master'),
    ASK: unavailable(100, 'the slot is migrating, wanted the node that imports it'),
    NOSCRIPT: unavailable(100, 'the server lost the script, wanted it loaded'),
    DAMAGED: unavailable(100, 'a stored value was damaged and is removed, wanted one that can be read'),
    NOAUTH: forbidden('Redis asks for a password, wanted PANNIER_REDIS_PASSWORD_FILE'),
    WRONGPASS: forbidden('Redis refuses the user name or password, wanted valid ones'),
    NOPROTO: forbidden('the server lacks the protocol version, wanted Redis 7.0 or later'),
    WRONGTYPE: forbidden('a key of ours holds another type, wanted a key prefix that nobody else uses'),
    CROSSSLOT: forbidden('the server found keys of several slots, wanted one slot'),
  }),
);

/** The status of any error; logs one that is unexpected. `method`: `/package.Service/Method`, or undefined where no method was found. */
export function errorStatus(error: unknown, log: ErrorLog, method: string | undefined): ErrorStatus {
  if (isExpected(error)) {
    return expectedErrorStatus(error);
  }
  log.error({ method, ...describeCause(error) }, 'cannot answer a call: unexpected error');
  return { code: Status.INTERNAL, message: INTERNAL_TEXT };
}

/** The status of an error that services throw on purpose. */
export function expectedErrorStatus(error: StatusError | StoreError): ErrorStatus {
  return error instanceof StatusError
    ? withPushback(error.code, error.message, error.retryPushbackMs)
    : storeErrorStatus(error);
}

/** The code alone, for who counts errors that somebody else answers. */
export function statusCodeOf(error: unknown): StatusCode {
  return isExpected(error) ? expectedErrorStatus(error).code : Status.INTERNAL;
}

function isExpected(error: unknown): error is StatusError | StoreError {
  return error instanceof StatusError || error instanceof StoreError;
}

/**
 * What may be written of an unexpected error: its class, where it came from, and its message where that is ours or the
 * engine's. Others (a SyntaxError quotes what it could not parse) may hold a value of a user, so they are left out.
 */
export function describeCause(error: unknown): { error: string; stack: string } {
  if (!(error instanceof Error)) {
    return { error: `a thrown ${typeof error}`, stack: '' };
  }
  const message = QUOTABLE_ERRORS.has(error.name) ? `: ${error.message}` : '';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const cause = error.cause === undefined ? '' : `; caused by ${describeCause(error.cause).error}`;
  return { error: `${error.name}${message}${cause}`, stack: frames.join('\n') };
}

const QUOTABLE_ERRORS = new Set(['Error', 'TypeError', 'ReferenceError', 'RangeError', 'StoreError', 'StatusError']);

function storeErrorStatus(error: StoreError): ErrorStatus {
  const isSettled = error.kind === 'unknown' || error.kind === 'deadline';
  const serverRow = isSettled || error.serverCode === undefined ? undefined : SERVER_ERROR_ROWS.get(error.serverCode);
  if (serverRow !== undefined) {
    const message = `cannot use the store: ${serverRow.text} (${error.serverCode})`;
    return withPushback(serverRow.code, message, serverRow.retryPushbackMs);
  }
  const row: StatusRow = STORE_ERROR_ROWS[error.kind];
  const detail = error.message.startsWith('cannot ') ? error.message : `cannot use the store: ${error.message}`;
  // The detail of a StoredFormatError names its remedy itself.
  const message = error instanceof StoredFormatError ? detail : `${detail}, ${row.text}`;
  return withPushback(row.code, message, row.retryPushbackMs);
}

function withPushback(code: StatusCode, message: string, retryPushbackMs: number | undefined): ErrorStatus {
  const text = message.slice(0, MAX_MESSAGE_LENGTH).toWellFormed();
  if (retryPushbackMs === undefined) {
    return { code, message: text };
  }
  return { code, message: text, retryPushbackMs };
}

function unavailable(retryPushbackMs: number, text: string): StatusRow {
  return { code: Status.UNAVAILABLE, text, retryPushbackMs };
}

function forbidden(text: string): StatusRow {
  return { code: Status.FAILED_PRECONDITION, text };
}
