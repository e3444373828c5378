/**
 * Defines the errors that stores report to services.
 *
 * Stores throw no other errors deliberately, so any other error is unexpected. `kind` states the outcome of the
 * command:
 *
 * - `unavailable`: the command was not executed (no connection, full queue, frozen node, refusal by the server), and a
 *   retry is safe
 * - `unknown`: the command may have been executed, because no reply arrived or the server refused a command inside a
 *   script
 * - `forbidden`: the server refuses the command until an operator changes the ACL, the type of the key or the version
 * - `deadline`: the command was not sent, because the deadline of the call had passed
 * - `full`: the command was not executed, because a limit of the store (entries, bytes, fields) is reached
 *
 * Invariant: `detail`, which appears in logs and error texts, never contains a key, a value, a session id or a password.
 */
export type StoreErrorKind = 'unavailable' | 'unknown' | 'forbidden' | 'deadline' | 'full';

export class StoreError extends Error {
  readonly kind: StoreErrorKind;
  /** Error code of Redis (such as OOM, READONLY or NOPERM) if the server replied with an error code. */
  readonly serverCode: string | undefined;

  constructor(kind: StoreErrorKind, detail: string, options?: { cause?: unknown; serverCode?: string }) {
    super(detail, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StoreError';
    this.kind = kind;
    this.serverCode = options?.serverCode;
  }
}

/**
 * Returns whether the server refused a script halfway because of a missing permission. This error is not transient, so
 * stores must not report it as `unavailable`.
 */
export function isPermissionRefusal(error: StoreError): boolean {
  return error.kind === 'unknown' && error.serverCode === 'NOPERM';
}

/** Converts the error of an idempotent step: an unknown outcome becomes `unavailable`, unless a retry would fail again. */
export function ofIdempotentStep<Failure>(error: Failure): Failure | StoreError {
  return error instanceof StoreError && error.kind === 'unknown' && !isPermissionRefusal(error)
    ? new StoreError('unavailable', error.message, { cause: error })
    : error;
}

/** Awaits an idempotent step, and converts its error as `ofIdempotentStep` does. */
export async function harmless<Value>(step: Promise<Value>): Promise<Value> {
  try {
    return await step;
  } catch (error) {
    throw ofIdempotentStep(error);
  }
}

/**
 * Waits for all steps and returns their results. If several steps fail, throws an unexpected error, which must be
 * logged, or else an error of kind `unknown`, or else the first error. A caller that receives `unavailable` may
 * therefore assume that no failed step was executed.
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
 * Reports that the stored data has a format or layout that this release does not support. The call has neither returned
 * nor changed any data. The failure mode does not apply, because the store works and an operator must run another
 * release.
 */
export class StoredFormatError extends StoreError {
  constructor(detail: string) {
    super('forbidden', detail);
    this.name = 'StoredFormatError';
  }
}
