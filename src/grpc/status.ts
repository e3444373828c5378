/**
 * Defines the gRPC status codes and StatusError, which a service throws to end a call with a status.
 *
 * Source of the codes: https://grpc.io/docs/guides/status-codes/ . docs/reference/errors.md describes the meaning of
 * the codes in Pannier.
 */
export const Status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type StatusCode = (typeof Status)[keyof typeof Status];

/** Returns the name of a code, e.g. `NOT_FOUND`. Metrics use this name as a label value. */
export function statusName(code: StatusCode): string {
  return NAMES[code] ?? 'UNKNOWN';
}

const NAMES: readonly string[] = Object.keys(Status);

/**
 * Error that ends a call with a status. The caller receives the message of the error, so the message must not contain a
 * session id, key or value.
 */
export class StatusError extends Error {
  readonly code: StatusCode;
  /**
   * Delay before a retry, sent as `grpc-retry-pushback-ms`. If this field is undefined, the response contains no delay.
   */
  readonly retryPushbackMs: number | undefined;

  constructor(code: StatusCode, message: string, options?: { cause?: unknown; retryPushbackMs?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StatusError';
    this.code = code;
    this.retryPushbackMs = options?.retryPushbackMs;
  }
}

/** Returns INVALID_ARGUMENT with the text "<field> must be <accepted>, got <got>". `got` must not contain a secret. */
export function invalidArgument(field: string, { accepted, got }: { accepted: string; got: string }): StatusError {
  return new StatusError(Status.INVALID_ARGUMENT, `${field} must be ${accepted}, got ${got}`);
}

/**
 * Returns UNIMPLEMENTED for an option that the contract declares but this version does not support. `remedy` must name
 * a valid alternative.
 */
export function unimplemented(action: string, option: string, remedy = 'leave it unset'): StatusError {
  return new StatusError(Status.UNIMPLEMENTED, `cannot ${action}: this version does not support ${option}; ${remedy}`);
}

/**
 * Returns FAILED_PRECONDITION for a call that needs a part of the policy file with an error. `problem` names the file,
 * the position and the error.
 */
export function invalidPolicyFile(action: string, { part, problem }: { part: string; problem: string }): StatusError {
  const text = `cannot ${action}: ${part} cannot be used: ${problem}; correct the policy file`;
  return new StatusError(Status.FAILED_PRECONDITION, text);
}
