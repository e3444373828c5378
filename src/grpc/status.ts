/**
 * gRPC status codes, and the one error that a service throws to choose one.
 *
 * Source of the codes: https://grpc.io/docs/guides/status-codes/ . What each means in Pannier stands in docs/reference/errors.md.
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

/** The name of a code, e.g. `NOT_FOUND`; the label value of metrics. */
export function statusName(code: StatusCode): string {
  return NAMES[code] ?? 'UNKNOWN';
}

const NAMES: readonly string[] = Object.keys(Status);

/** Ends a call with a status. The message reaches the caller: it holds no session id, key or value. */
export class StatusError extends Error {
  readonly code: StatusCode;
  /** Sent as `grpc-retry-pushback-ms`: when a repetition makes sense; unset = no such hint. */
  readonly retryPushbackMs: number | undefined;

  constructor(code: StatusCode, message: string, options?: { cause?: unknown; retryPushbackMs?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StatusError';
    this.code = code;
    this.retryPushbackMs = options?.retryPushbackMs;
  }
}

/** "<field> must be <accepted>, got <got>" as INVALID_ARGUMENT. `got` must not be a secret. */
export function invalidArgument(field: string, { accepted, got }: { accepted: string; got: string }): StatusError {
  return new StatusError(Status.INVALID_ARGUMENT, `${field} must be ${accepted}, got ${got}`);
}

/** For an option of a request that the contract has and this version does not serve. `remedy` must be accepted in its place. */
export function unimplemented(action: string, option: string, remedy = 'leave it unset'): StatusError {
  return new StatusError(Status.UNIMPLEMENTED, `cannot ${action}: this version does not serve ${option}; ${remedy}`);
}
