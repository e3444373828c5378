/**
 * Defines the errors with which a transport itself rejects or ends calls, so that all transports return the same codes
 * and texts.
 */
import { invalidArgument, Status, StatusError } from '../status.ts';

const MAX_PATH_LENGTH = 200;
const MAX_ENCODING_LENGTH = 32;
const GRPC_CONTENT_TYPE = 'application/grpc';

export function unknownMethod(path: string): StatusError {
  const text = `cannot call ${path.slice(0, MAX_PATH_LENGTH)}: the server has no such method; use one that reflection lists`;
  return new StatusError(Status.UNIMPLEMENTED, text);
}

export function metadataTooLarge(limits: { maxMetadataBytes: number; maxMetadataFields: number }): StatusError {
  const { maxMetadataBytes, maxMetadataFields } = limits;
  const text = `cannot serve the call: its metadata has more than ${maxMetadataBytes} bytes or ${maxMetadataFields} fields; send less metadata`;
  return new StatusError(Status.RESOURCE_EXHAUSTED, text);
}

export function malformedTimeout(): StatusError {
  const accepted = '1 to 8 digits and a unit (H, M, S, m, u or n)';
  return invalidArgument('grpc-timeout', { accepted, got: 'a malformed value' });
}

/**
 * Returns the status for an error of a decoder. A StatusError already describes the problem, so it is returned
 * unchanged.
 */
export function malformedRequest(path: string, cause: unknown): StatusError {
  if (cause instanceof StatusError) {
    return cause;
  }
  const text = `cannot read the request of ${path}: it is not a valid protobuf message of the request type`;
  return new StatusError(Status.INTERNAL, text, { cause });
}

/** Returns the status with which a drain ends a stream. */
export function stopping(): StatusError {
  return new StatusError(Status.UNAVAILABLE, 'cannot keep the stream open: the sidecar is stopping; open it again');
}

/** Returns the error for a call that has already ended. No caller receives this error. */
export function callIsOver(): StatusError {
  return new StatusError(Status.CANCELLED, 'cannot read the request: the call has ended');
}

/** Returns the status of a call on a connection whose peer does not read its responses. */
export function answersNotTaken(): StatusError {
  return new StatusError(
    Status.RESOURCE_EXHAUSTED,
    'cannot send the response: too many responses are buffered for this connection; read them faster',
  );
}

/**
 * Returns the status for a message that is longer than the limit. `bytes` is the length of the message, or a phrase if
 * only the minimum length is known.
 */
export function messageTooLarge(bytes: number | string, maxBytes: number): StatusError {
  const text = `cannot read the request: its message must have at most ${maxBytes} bytes, got ${bytes}`;
  return new StatusError(Status.RESOURCE_EXHAUSTED, text);
}

export function messageMissing(): StatusError {
  return new StatusError(Status.UNIMPLEMENTED, 'cannot read the request: it must have one message, got none');
}

export function secondMessage(): StatusError {
  return new StatusError(Status.UNIMPLEMENTED, 'cannot read the request: it must have one message, got two or more');
}

export function messageCutShort(): StatusError {
  return new StatusError(Status.INTERNAL, 'cannot read the request: it ends before its message is complete');
}

export function unknownFlag(flag: number): StatusError {
  return new StatusError(Status.INTERNAL, `cannot read the request: the flag of a message must be 0 or 1, got ${flag}`);
}

export function compressionWithoutEncoding(): StatusError {
  const text =
    'cannot read the request: the flag of a message says that it is compressed, but the call has no grpc-encoding; set both or none';
  return new StatusError(Status.INTERNAL, text);
}

/**
 * Returns the status for an unsupported encoding. The response also has `grpc-accept-encoding`, which lists the
 * supported encodings.
 */
export function compressionUnsupported(encoding: string, accepted: string): StatusError {
  const name = encoding.slice(0, MAX_ENCODING_LENGTH);
  const text = `cannot read the request: grpc-encoding of a compressed message must be one of ${accepted}, got ${name}`;
  return new StatusError(Status.UNIMPLEMENTED, text);
}

export function malformedCompression(encoding: string, cause: unknown): StatusError {
  const text = `cannot read the request: a message says that it is compressed with ${encoding}, but its bytes are not valid ${encoding}`;
  return new StatusError(Status.INTERNAL, text, { cause });
}

/** Bodies of responses to HTTP/2 requests that are not gRPC, by HTTP status. */
export const HTTP_TEXTS = {
  '405': 'cannot serve the request: its method is not POST; use a gRPC client for this port\n',
  '415': 'cannot serve the request: its content-type is not application/grpc; use a gRPC client for this port\n',
} as const;

export type HttpRefusal = keyof typeof HTTP_TEXTS;

/** Returns the HTTP status with which to reject a request, or undefined for a gRPC call. */
export function httpRefusal(method: string, contentType: string): HttpRefusal | undefined {
  if (method !== 'POST') {
    return '405';
  }
  return isGrpc(contentType) ? undefined : '415';
}

/**
 * Returns true for `application/grpc`, with or without parameters or a message format such as `+proto`. Returns false
 * for grpc-web.
 */
function isGrpc(contentType: string): boolean {
  if (!contentType.startsWith(GRPC_CONTENT_TYPE)) {
    return false;
  }
  const next = contentType[GRPC_CONTENT_TYPE.length];
  return next === undefined || next === '+' || next === ';';
}
