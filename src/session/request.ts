/**
 * Validates the requests of SessionService and converts them for the store. Throws INVALID_ARGUMENT for an invalid
 * request.
 *
 * Invariants:
 *   1. An error names the field, its size or number, and the accepted values. It never contains a session id, a user
 *      id, a value or the name of a data field, because these values may be secret.
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

/**
 * Rejects an id whose length is out of bounds. The service treats a malformed id of an accepted length as an unknown
 * session, not as an invalid argument.
 */
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
    checkBytes(`field name in ${field}`, name, { min: 1, max: MAX_DATA_FIELD_NAME_BYTES });
    bytes += fieldBytes(name, value);
    fields.set(name, value);
  }
  if (fields.size > MAX_DATA_FIELDS) {
    throw invalidArgument(field, { accepted: `at most ${MAX_DATA_FIELDS} fields`, got: `${fields.size} fields` });
  }
  if (bytes > MAX_DATA_BYTES) {
    throw invalidArgument(field, {
      accepted: `at most ${MAX_DATA_BYTES} bytes including field names`,
      got: `${bytes} bytes`,
    });
  }
  return fields;
}

export function readChange(set: Record<string, Buffer>, remove: readonly string[]): DataChange {
  const fields = readData('set', set);
  if (remove.length > MAX_DATA_FIELDS) {
    throw invalidArgument('remove', { accepted: `at most ${MAX_DATA_FIELDS} names`, got: `${remove.length} names` });
  }
  for (const [index, name] of remove.entries()) {
    const path = `remove[${index}]`;
    checkBytes(path, name, { min: 1, max: MAX_DATA_FIELD_NAME_BYTES });
    if (fields.has(name)) {
      throw invalidArgument(path, { accepted: 'a name that is not in set', got: 'a name that is' });
    }
  }
  return { set: fields, remove: new Set(remove) };
}

export function readLabels(labels: Record<string, string>): ReadonlyMap<string, string> {
  const read = new Map<string, string>();
  let bytes = 0;
  for (const [name, value] of Object.entries(labels)) {
    checkBytes('label name', name, { min: 1, max: MAX_LABEL_NAME_BYTES });
    checkBytes('label value', value, { min: 0, max: MAX_LABEL_VALUE_BYTES });
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    read.set(name, value);
  }
  if (read.size > MAX_LABELS) {
    throw invalidArgument('labels', { accepted: `at most ${MAX_LABELS} labels`, got: `${read.size} labels` });
  }
  if (bytes > MAX_LABELS_BYTES) {
    throw invalidArgument('labels', {
      accepted: `at most ${MAX_LABELS_BYTES} bytes including names`,
      got: `${bytes} bytes`,
    });
  }
  return read;
}

/**
 * Returns the timeouts of a new session. The timeouts of the request take precedence over the defaults. A default never
 * exceeds the absolute timeout of the request.
 */
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
    accepted: `at most the absolute timeout of ${absoluteTtlMs}`,
    got: String(idleTtlMs),
  });
}
