/**
 * What can go wrong between a service and its store, as one closed set.
 *
 * A store throws nothing else on purpose. `kind` says what a caller may conclude:
 *   unavailable    certainly not executed (no connection, queue full, frozen node, server refused it): safe to repeat
 *   unknown        sent, and no answer came, or a script was refused half-way: it may have been executed
 *   forbidden      the server will not do this until an operator changes something (ACL, wrong type of key, version)
 *   deadline       the call's own deadline ran out before anything was sent: not executed
 *   full           a bound of ours (entries, bytes, fields) is reached: not executed
 *
 * `detail` is for logs and error texts. It never holds a key, a value, a session id or a password.
 */
export type StoreErrorKind = 'unavailable' | 'unknown' | 'forbidden' | 'deadline' | 'full';

export class StoreError extends Error {
  readonly kind: StoreErrorKind;
  /** Redis' own error code (OOM, READONLY, NOPERM ...) where the server answered with one. */
  readonly serverCode: string | undefined;

  constructor(kind: StoreErrorKind, detail: string, options?: { cause?: unknown; serverCode?: string }) {
    super(detail, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StoreError';
    this.kind = kind;
    this.serverCode = options?.serverCode;
  }
}

/** A script was refused half-way for want of a permission. That is not transient, so no step may report it as `unavailable`. */
export function isPermissionRefusal(error: StoreError): boolean {
  return error.kind === 'unknown' && error.serverCode === 'NOPERM';
}

/**
 * What is stored has a format or layout that this release does not know: nothing was read into an answer, and nothing was changed.
 * No failure mode decides in its place, because the store does work: an operator must run another release.
 */
export class StoredFormatError extends StoreError {
  constructor(detail: string) {
    super('forbidden', detail);
    this.name = 'StoredFormatError';
  }
}
