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
export function checkSessionId(field: string, sessionId: string): void {
  checkBytes(field, sessionId, { min: 1, max: MAX_SESSION_ID_BYTES });
}

export function checkUserId(userId: string, options: { mayBeEmpty: boolean }): void {
  checkBytes('user_id', userId, { min: options.mayBeEmpty ? 0 : 1, max: MAX_USER_ID_BYTES });
}

export function readData(field: string, data: Record<string, Buffer>): ReadonlyMap<string, Buffer> {
  const fields = new Map<string, Buffer>();
  let bytes = 0;
  for (const [name, value] of Object.entries(data)) {
    checkBytes(`a field name of ${field}`, name, { min: 1, max: MAX_DATA_FIELD_NAME_BYTES });
    bytes += fieldBytes(name, value);
    fields.set(name, value);
  }
  if (fields.size > MAX_DATA_FIELDS) {
    throw invalidArgument(field, { accepted: `at most ${MAX_DATA_FIELDS}`, got: `${fields.size} fields` });
  }
  if (bytes > MAX_DATA_BYTES) {
    throw invalidArgument(field, { accepted: `at most ${MAX_DATA_BYTES}`, got: `${bytes} bytes with its names` });
  }
  return fields;
}

export function readChange(set: Record<string, Buffer>, remove: readonly string[]): DataChange {
  const fields = readData('set', set);
  if (remove.length > MAX_DATA_FIELDS) {
    throw invalidArgument('remove', { accepted: `at most ${MAX_DATA_FIELDS}`, got: `${remove.length} names` });
  }
  for (const name of remove) {
    checkBytes('a field name of remove', name, { min: 1, max: MAX_DATA_FIELD_NAME_BYTES });
    if (fields.has(name)) {
      throw invalidArgument('remove', {
        accepted: 'each name in one of them',
        got: 'a list with a name that set has as well',
      });
    }
  }
  return { set: fields, remove: new Set(remove) };
}

export function readLabels(labels: Record<string, string>): ReadonlyMap<string, string> {
  const read = new Map<string, string>();
  let bytes = 0;
  for (const [name, value] of Object.entries(labels)) {
    checkBytes('a name of labels', name, { min: 1, max: MAX_LABEL_NAME_BYTES });
    checkBytes('a value of labels', value, { min: 0, max: MAX_LABEL_VALUE_BYTES });
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    read.set(name, value);
  }
  if (read.size > MAX_LABELS) {
    throw invalidArgument('labels', { accepted: `at most ${MAX_LABELS}`, got: `${read.size} labels` });
  }
  if (bytes > MAX_LABELS_BYTES) {
    throw invalidArgument('labels', {
      accepted: `at most ${MAX_LABELS_BYTES}`,
      got: `${bytes} bytes with their names`,
    });
  }
  return read;
}

/** The lives of a new session: what the request says, else the policies' defaults; a default never outlasts the request. */
export function readTtls(
  request: { readonly idleTtlMs?: number | bigint; readonly absoluteTtlMs?: number | bigint },
  defaults: SessionSpec,
): SessionSpec {
  checkTtls(request);
  const absoluteTtlMs = request.absoluteTtlMs ?? defaults.absoluteTtlMs;
  if (request.idleTtlMs !== undefined && request.idleTtlMs > absoluteTtlMs) {
    throw idleBeyondAbsolute(request.idleTtlMs, absoluteTtlMs);
  }
  return { idleTtlMs: request.idleTtlMs ?? Math.min(defaults.idleTtlMs, absoluteTtlMs), absoluteTtlMs };
}

export function checkTtls(request: {
  readonly idleTtlMs?: number | bigint;
  readonly absoluteTtlMs?: number | bigint;
}): asserts request is { readonly idleTtlMs?: number; readonly absoluteTtlMs?: number } {
  const { idleTtlMs, absoluteTtlMs } = request;
  checkInteger('idle_ttl_ms', idleTtlMs, { min: 1, max: MAX_SESSION_TTL_MS });
  checkInteger('absolute_ttl_ms', absoluteTtlMs, { min: 1, max: MAX_SESSION_TTL_MS });
  if (idleTtlMs !== undefined && absoluteTtlMs !== undefined && idleTtlMs > absoluteTtlMs) {
    throw idleBeyondAbsolute(idleTtlMs, absoluteTtlMs);
  }
}

export function checkIfVersion(ifVersion: number | bigint | undefined): asserts ifVersion is number | undefined {
  checkInteger('if_version', ifVersion, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

export function checkGrace(graceMs: number | bigint | undefined): asserts graceMs is number | undefined {
  checkInteger('grace_ms', graceMs, { min: 0, max: MAX_GRACE_MS });
}

function idleBeyondAbsolute(idleTtlMs: number, absoluteTtlMs: number): Error {
  return invalidArgument('idle_ttl_ms', {
    accepted: `at most the absolute life, ${absoluteTtlMs}`,
    got: String(idleTtlMs),
  });
}
