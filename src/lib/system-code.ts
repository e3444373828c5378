/**
 * The system's own name of what went wrong (ENOENT, ECONNREFUSED ...): what an operator can look up, without the message, which may hold
 * anything.
 */

/** Undefined: the error has none. */
export function systemCodeOf(error: unknown): string | undefined {
  // Not by instanceof: an error may come from another realm, as it does in tests.
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Of a file or an answer that could not be read. */
export function readFailureCode(error: unknown): string {
  return systemCodeOf(error) ?? 'unreadable';
}
