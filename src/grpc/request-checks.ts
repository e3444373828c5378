/**
 * Checks request fields for all services.
 *
 *   1. Each check has no side effects. For an invalid value, the check throws INVALID_ARGUMENT with a message that
 *      names the field and the accepted values.
 *   2. The message of an error contains the number or the size that the check found, but never the content of a string
 *      or of bytes.
 */
import { invalidArgument, Status, StatusError } from './status.ts';

/** Inclusive bounds. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** Checks the length of a value. A string is measured in bytes of UTF-8. */
export function checkBytes(field: string, value: string | Buffer, { min, max }: Bounds): void {
  const bytes = Buffer.byteLength(value);
  if (bytes < min || bytes > max) {
    throw invalidArgument(field, { accepted: `${range(min, max)} bytes long`, got: `${bytes} bytes` });
  }
}

/** Checks the number of entries of a list. */
export function checkCount(field: string, count: number, { min, max }: Bounds): void {
  if (count < min || count > max) {
    throw invalidArgument(field, { accepted: `a list of ${range(min, max)} entries`, got: `${count} entries` });
  }
}

export function checkInteger(
  field: string,
  value: number | bigint | undefined,
  { min, max }: Bounds,
): asserts value is number | undefined {
  if (value !== undefined && (!Number.isSafeInteger(value) || value < min || value > max)) {
    throw invalidArgument(field, { accepted: `between ${min} and ${max}`, got: String(value) });
  }
}

/**
 * Returns the error for an unknown value of an enum. `accepted` contains the names of the values that are supported.
 */
export function invalidEnum(field: string, accepted: readonly string[], got: number): StatusError {
  const text = `${field} must be one of ${accepted.join(', ')}, got ${got}`;
  return new StatusError(Status.INVALID_ARGUMENT, text);
}

function range(min: number, max: number): string {
  return min === 0 ? `at most ${max}` : `${min} to ${max}`;
}
