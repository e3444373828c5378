/**
 * The system's own name of what went wrong (ENOENT, EACCES ...): what an operator can look up, without the message, which may hold anything.
 */
export function systemCodeOf(error: unknown): string {
  // Not by instanceof: an error may come from another realm, as it does in tests.
  const isObject = typeof error === 'object' && error !== null;
  return isObject && 'code' in error && typeof error.code === 'string' ? error.code : 'unreadable';
}
