/**
 * Extracts the system error code (such as ENOENT or ECONNREFUSED), which an operator can look up. This module does not
 * use the message of an error, because the message may contain secrets.
 */

/** Returns the code of an error, or undefined if the error has no code. */
export function systemCodeOf(error: unknown): string | undefined {
  // Does not use instanceof, because an error may come from another realm, as in tests.
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Returns the code of an error that occurred while a file or response was read. */
export function readFailureCode(error: unknown): string {
  return systemCodeOf(error) ?? 'unreadable';
}
