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

/** The failure of an idempotent step: an unknown outcome can be reported as `unavailable`, unless repeating the step is of no use. */
export function ofIdempotentStep<Failure>(error: Failure): Failure | StoreError {
  return error instanceof StoreError && error.kind === 'unknown' && !isPermissionRefusal(error)
    ? new StoreError('unavailable', error.message, { cause: error })
    : error;
}

/** The result of an idempotent step. */
export async function harmless<Value>(step: Promise<Value>): Promise<Value> {
  try {
    return await step;
  } catch (error) {
    throw ofIdempotentStep(error);
  }
}

/**
 * The results of all steps, once every one has ended. Of several failures an unexpected error is thrown first, so that it is logged, then
 * `unknown`: a caller that receives `unavailable` may assume that nothing was done.
 */
export async function settleAll<Value>(steps: readonly Promise<Value>[]): Promise<Value[]> {
  const results = await Promise.allSettled(steps);
  const failures = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
  if (failures.length > 0) {
    throw (
      failures.find((error) => !(error instanceof StoreError)) ??
      failures.find((error) => error instanceof StoreError && error.kind === 'unknown') ??
      failures[0]
    );
  }
  return results.filter((result) => result.status === 'fulfilled').map((result) => result.value);
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
