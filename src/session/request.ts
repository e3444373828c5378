/**
 * Reads the requests of SessionService: what is wrong with one leaves as INVALID_ARGUMENT (or UNIMPLEMENTED), what is
 * right leaves in the words of the store.
 *
 * An error names the field, its size or number, and what is accepted; never an id, a user, a value or the name of a field
 * of data, for these may be secrets.
 */
import { MAX_SESSION_TTL_MS, type SessionSpec } from '../config/policy-file.ts';
import { checkBytes, checkInteger } from '../grpc/request-checks.ts';
import { invalidArgument } from '../grpc/status.ts';
import {
  type DataChange,
  fieldBytes,
  MAX_DATA_BYTES,
  MAX_DATA_FIELD_NAME_BYTES,
  MAX_DATA_FIELDS,
  MAX_GRACE_MS,
  MAX_LABEL_NAME_BYTES,
  MAX_LABEL_VALUE_BYTES,
  MAX_LABELS,
  MAX_LABELS_BYTES,
  MAX_SESSION_ID_BYTES,
  MAX_USER_ID_BYTES,
} from './model.ts';

/** Refuses what is empty or longer than any id may be. Whether a session has it is not asked here. */
export function checkSessionId(action: string, field: string, sessionId: string): void {
  checkBytes(action, field, sessionId, { min: 1, max: MAX_SESSION_ID_BYTES });
}

export function checkUserId(action: string, userId: string, options: { mayBeEmpty: boolean }): void {
  checkBytes(action, 'user_id', userId, { min: options.mayBeEmpty ? 0 : 1, max: MAX_USER_ID_BYTES });
}

export function readData(action: string, field: string, data: Record<string, Buffer>): ReadonlyMap<string, Buffer> {
  const fields = new Map<string, Buffer>();
  let bytes = 0;
  for (const [name, value] of Object.entries(data)) {
    checkBytes(action, `a field name of ${field}`, name, { min: 1, max: MAX_DATA_FIELD_NAME_BYTES });
    bytes += fieldBytes(name, value);
    fields.set(name, value);
  }
  if (fields.size > MAX_DATA_FIELDS) {
    throw invalidArgument(action, field, `${fields.size} fields`, `at most ${MAX_DATA_FIELDS}`);
  }
  if (bytes > MAX_DATA_BYTES) {
    throw invalidArgument(action, field, `${bytes} bytes with its names`, `at most ${MAX_DATA_BYTES}`);
  }
  return fields;
}

export function readChange(action: string, set: Record<string, Buffer>, remove: readonly string[]): DataChange {
  const fields = readData(action, 'set', set);
  if (remove.length > MAX_DATA_FIELDS) {
    throw invalidArgument(action, 'remove', `${remove.length} names`, `at most ${MAX_DATA_FIELDS}`);
  }
  for (const name of remove) {
    checkBytes(action, 'a field name of remove', name, { min: 1, max: MAX_DATA_FIELD_NAME_BYTES });
    if (fields.has(name)) {
      throw invalidArgument(action, 'remove', 'a list with a name that set has as well', 'each name in one of them');
    }
  }
  return { set: fields, remove: new Set(remove) };
}

export function readLabels(action: string, labels: Record<string, string>): ReadonlyMap<string, string> {
  const read = new Map<string, string>();
  let bytes = 0;
  for (const [name, value] of Object.entries(labels)) {
    checkBytes(action, 'a name of labels', name, { min: 1, max: MAX_LABEL_NAME_BYTES });
    checkBytes(action, 'a value of labels', value, { min: 0, max: MAX_LABEL_VALUE_BYTES });
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    read.set(name, value);
  }
  if (read.size > MAX_LABELS) {
    throw invalidArgument(action, 'labels', `${read.size} labels`, `at most ${MAX_LABELS}`);
  }
  if (bytes > MAX_LABELS_BYTES) {
    throw invalidArgument(action, 'labels', `${bytes} bytes with their names`, `at most ${MAX_LABELS_BYTES}`);
  }
  return read;
}

/** The lives of a new session: what the request says, else the policies' defaults; a default never outlasts the request. */
export function readTtls(
  action: string,
  request: { readonly idleTtlMs?: number | bigint; readonly absoluteTtlMs?: number | bigint },
  defaults: SessionSpec,
): SessionSpec {
  checkTtls(action, request);
  const absoluteTtlMs = request.absoluteTtlMs ?? defaults.absoluteTtlMs;
  if (request.idleTtlMs !== undefined && request.idleTtlMs > absoluteTtlMs) {
    throw idleBeyondAbsolute(action, request.idleTtlMs, absoluteTtlMs);
  }
  return { idleTtlMs: request.idleTtlMs ?? Math.min(defaults.idleTtlMs, absoluteTtlMs), absoluteTtlMs };
}

export function checkTtls(
  action: string,
  request: { readonly idleTtlMs?: number | bigint; readonly absoluteTtlMs?: number | bigint },
): asserts request is { readonly idleTtlMs?: number; readonly absoluteTtlMs?: number } {
  const { idleTtlMs, absoluteTtlMs } = request;
  checkInteger(action, 'idle_ttl_ms', idleTtlMs, { min: 1, max: MAX_SESSION_TTL_MS });
  checkInteger(action, 'absolute_ttl_ms', absoluteTtlMs, { min: 1, max: MAX_SESSION_TTL_MS });
  if (idleTtlMs !== undefined && absoluteTtlMs !== undefined && idleTtlMs > absoluteTtlMs) {
    throw idleBeyondAbsolute(action, idleTtlMs, absoluteTtlMs);
  }
}

export function checkIfVersion(
  action: string,
  ifVersion: number | bigint | undefined,
): asserts ifVersion is number | undefined {
  checkInteger(action, 'if_version', ifVersion, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

export function checkGrace(
  action: string,
  graceMs: number | bigint | undefined,
): asserts graceMs is number | undefined {
  checkInteger(action, 'grace_ms', graceMs, { min: 0, max: MAX_GRACE_MS });
}

function idleBeyondAbsolute(action: string, idleTtlMs: number, absoluteTtlMs: number): Error {
  return invalidArgument(action, 'idle_ttl_ms', String(idleTtlMs), `at most the absolute life, ${absoluteTtlMs}`);
}
