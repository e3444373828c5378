/**
 * Checks of request fields that several services have in common. Pure; each throws INVALID_ARGUMENT that names the field, its size or number,
 * and what is accepted, never the content of a text or of bytes.
 */
import { invalidArgument, Status, StatusError } from './status.ts';

/** Both ends are accepted. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** The length of a text counts in bytes of UTF-8. */
export function checkBytes(field: string, value: string | Buffer, { min, max }: Bounds): void {
  const bytes = Buffer.byteLength(value);
  if (bytes < min || bytes > max) {
    throw invalidArgument(field, { accepted: `${min} to ${max} bytes`, got: `${bytes} bytes` });
  }
}

/** The entries of a list. */
export function checkCount(field: string, count: number, { min, max }: Bounds): void {
  if (count < min || count > max) {
    throw invalidArgument(field, {
      accepted: min === 0 ? `at most ${max}` : `${min} to ${max}`,
      got: `a list of ${count}`,
    });
  }
}

export function checkInteger(
  field: string,
  value: number | bigint | undefined,
  { min, max }: Bounds,
): asserts value is number | undefined {
  if (value !== undefined && (!Number.isSafeInteger(value) || value < min || value > max)) {
    throw invalidArgument(field, { accepted: `${min} to ${max}`, got: String(value) });
  }
}

/** For a number that is no value of an enum; `accepted` are the names of the values that are served. */
export function invalidEnum(field: string, accepted: readonly string[], got: number): StatusError {
  const text = `${field} must be one of ${accepted.join(', ')}, got ${got}`;
  return new StatusError(Status.INVALID_ARGUMENT, text);
}
