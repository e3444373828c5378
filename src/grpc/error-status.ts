/**
 * Converts errors to gRPC statuses. docs/reference/errors.md contains the same tables as this module.
 *
 * Invariants:
 *   1. The status of a StatusError has the code and message of the error.
 *   2. A StoreError has the status of its Redis error code if SERVER_ERROR_ROWS contains that code, and otherwise the
 *      status of its kind. The kinds `unknown` and `deadline` take precedence over the error code, because they state
 *      whether the command may have been executed.
 *   3. Any other error is a defect of the sidecar. The caller receives INTERNAL with a fixed message, and the sidecar
 *      logs the cause.
 *   4. A status message is at most 1,000 characters long and contains no unpaired surrogates.
 */
import type { Logger } from '../lib/logger.ts';
import { StoreError, type StoreErrorKind } from '../lib/store-error.ts';
import { Status, type StatusCode, StatusError } from './status.ts';

const MAX_MESSAGE_LENGTH = 1_000;
const INTERNAL_TEXT = "cannot answer the call: internal error; see the sidecar's log";

export interface ErrorStatus {
  readonly code: StatusCode;
  readonly message: string;
  /** Delay before a retry, sent as `grpc-retry-pushback-ms`. */
  readonly retryPushbackMs?: number;
}

/** Logger for unexpected errors. */
export type ErrorLog = Pick<Logger, 'error'>;

export interface StatusRow {
  readonly code: StatusCode;
  /**
   * Cause and remedy, which follow "cannot use the store: ". In STORE_ERROR_ROWS, this text is the end of the status
   * message.
   */
  readonly text: string;
  readonly retryPushbackMs?: number;
}

/** Statuses by kind of StoreError. The status message is the detail of the error, followed by `text`. */
export const STORE_ERROR_ROWS = {
  unavailable: { code: Status.UNAVAILABLE, text: 'retry the call', retryPushbackMs: 100 },
  unknown: { code: Status.UNKNOWN, text: 'the call may have been executed' },
  deadline: { code: Status.DEADLINE_EXCEEDED, text: 'the call was not executed' },
  forbidden: { code: Status.FAILED_PRECONDITION, text: 'correct the Redis server or the settings' },
  full: { code: Status.RESOURCE_EXHAUSTED, text: 'the call was not executed' },
} as const satisfies Record<StoreErrorKind, StatusRow>;

/** Statuses by Redis error code. Redis returns these codes only for commands that it has not executed. */
export const SERVER_ERROR_ROWS: ReadonlyMap<string, StatusRow> = new Map<string, StatusRow>(
  Object.entries({
    OOM: unavailable(
      1_000,
      'Redis has reached maxmemory and refuses writes; raise maxmemory or set an eviction policy',
    ),
    MISCONF: unavailable(1_000, 'Redis cannot save to its disk and refuses writes; repair the disk'),
    READONLY: unavailable(100, 'the node is a read-only replica (a failover may be in progress); retry the call'),
    LOADING: unavailable(1_000, 'Redis is loading its data; retry the call'),
    BUSY: unavailable(100, 'Redis is busy with a long script or function; retry the call'),
    UNKILLABLE: unavailable(
      1_000,
      'Redis is blocked by a script that has written data; wait for its end or restart Redis',
    ),
    NOREPLICAS: unavailable(1_000, 'Redis has fewer replicas than min-replicas-to-write; connect more replicas'),
    CLUSTERDOWN: unavailable(100, 'the cluster does not serve the slot of the key; restore a master for the slot'),
    MASTERDOWN: unavailable(100, 'the replica has lost its master; restore the master'),
    TRYAGAIN: unavailable(100, 'the keys are in a slot that is migrating; retry the call'),
    MOVED: unavailable(100, 'the slot has moved to another master; retry the call'),
    ASK: unavailable(100, 'the slot is migrating to another master; retry the call'),
    NOSCRIPT: unavailable(100, 'Redis does not have the script loaded; retry the call'),
    DAMAGED: unavailable(100, 'a stored value was damaged and has been removed; retry the call'),
    NOAUTH: forbidden('Redis requires a password; set PANNIER_REDIS_PASSWORD_FILE'),
    WRONGPASS: forbidden('Redis rejects the user name or password; set valid ones'),
    NOPROTO: forbidden('the server does not support the protocol version; use Redis 7.0 or later'),
    WRONGTYPE: forbidden('a key has a type that Pannier does not store; use a key prefix that no other program uses'),
    CROSSSLOT: forbidden('Redis reports keys of several slots; report this as a defect of Pannier'),
  }),
);

/**
 * Returns the status of any error, and logs an unexpected error with `method` (`/package.Service/Method`, or undefined
 * if unknown).
 */
export function errorStatus(error: unknown, log: ErrorLog, method: string | undefined): ErrorStatus {
  if (isExpected(error)) {
    return expectedErrorStatus(error);
  }
  log.error({ method, ...describeCause(error) }, 'call failed with an unexpected error');
  return { code: Status.INTERNAL, message: INTERNAL_TEXT };
}

/** Returns the status of a StatusError or StoreError, which services throw on purpose. */
export function expectedErrorStatus(error: StatusError | StoreError): ErrorStatus {
  return error instanceof StatusError
    ? withPushback(error.code, error.message, error.retryPushbackMs)
    : storeErrorStatus(error);
}

/** Returns only the status code of an error, for metrics. */
export function statusCodeOf(error: unknown): StatusCode {
  return isExpected(error) ? expectedErrorStatus(error).code : Status.INTERNAL;
}

function isExpected(error: unknown): error is StatusError | StoreError {
  return error instanceof StatusError || error instanceof StoreError;
}

/**
 * Describes an unexpected error for the log: its class, its stack, and its message if the class is in QUOTABLE_ERRORS.
 * Other messages are omitted because they may contain user data. For example, the message of a SyntaxError quotes the
 * invalid input.
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

/** Text between the cause and the remedy. A detail that contains this text already includes a remedy. */
const REMEDY_SEPARATOR = '; ';

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
  const isComplete = error.kind !== 'unknown' && detail.includes(REMEDY_SEPARATOR);
  const message = isComplete ? detail : `${detail}${REMEDY_SEPARATOR}${row.text}`;
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
