/**
 * What every transport answers to a call that never reaches a handler: the statuses and their texts.
 */
import { Status, StatusError } from '../status.ts';

const MAX_PATH_LENGTH = 200;
const MAX_ENCODING_LENGTH = 32;
const GRPC_CONTENT_TYPE = 'application/grpc';

export function unknownMethod(path: string): StatusError {
  const text = `cannot call ${path.slice(0, MAX_PATH_LENGTH)}: there is no such method, wanted one that reflection lists`;
  return new StatusError(Status.UNIMPLEMENTED, text);
}

export function metadataTooLarge(limits: { maxMetadataBytes: number; maxMetadataFields: number }): StatusError {
  const { maxMetadataBytes, maxMetadataFields } = limits;
  const text = `cannot serve the call: its metadata has more than ${maxMetadataBytes} bytes or ${maxMetadataFields} fields, wanted less`;
  return new StatusError(Status.RESOURCE_EXHAUSTED, text);
}

export function malformedTimeout(): StatusError {
  const text =
    'cannot serve the call: its grpc-timeout is malformed, wanted 1 to 8 digits and a unit of H, M, S, m, u, n';
  return new StatusError(Status.INVALID_ARGUMENT, text);
}

/** Of what a decoder threw: a StatusError says itself what is wrong. */
export function malformedRequest(path: string, cause: unknown): StatusError {
  if (cause instanceof StatusError) {
    return cause;
  }
  const text = `cannot read the request of ${path}: the bytes are no message of its type, wanted valid protobuf`;
  return new StatusError(Status.INTERNAL, text, { cause });
}

/** For a stream that a drain ends. */
export function stopping(): StatusError {
  return new StatusError(Status.UNAVAILABLE, 'cannot keep the stream: the sidecar is stopping, open it anew');
}

/** Nobody reads this one. */
export function callIsOver(): StatusError {
  return new StatusError(Status.CANCELLED, 'cannot read the request: the call is over');
}

/** A caller that takes no answers is not made more of them. */
export function answersNotTaken(): StatusError {
  return new StatusError(
    Status.RESOURCE_EXHAUSTED,
    'cannot send the answer: too many answers wait for this connection, wanted a caller that reads them',
  );
}

/** `bytes` is the length of the message, or what is known of it. */
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
  return new StatusError(Status.INTERNAL, 'cannot read the request: it ends before its message does');
}

export function unknownFlag(flag: number): StatusError {
  return new StatusError(Status.INTERNAL, `cannot read the request: the flag of a message must be 0 or 1, got ${flag}`);
}

export function compressionWithoutEncoding(): StatusError {
  const text =
    'cannot read the request: the flag of a message says that it is compressed, but the call has no grpc-encoding; set both or none';
  return new StatusError(Status.INTERNAL, text);
}

/** Answered with `grpc-accept-encoding`, from which a caller learns what it may send. */
export function compressionUnsupported(encoding: string, accepted: string): StatusError {
  const name = encoding.slice(0, MAX_ENCODING_LENGTH);
  const text = `cannot read the request: grpc-encoding of a compressed message must be one of ${accepted}, got ${name}`;
  return new StatusError(Status.UNIMPLEMENTED, text);
}

export function malformedCompression(encoding: string, cause: unknown): StatusError {
  const text = `cannot read the request: a message says that it is compressed with ${encoding}, but its bytes are not valid ${encoding}`;
  return new StatusError(Status.INTERNAL, text, { cause });
}

/** Answers to requests that are valid HTTP/2 and not gRPC, by HTTP status. */
export const HTTP_TEXTS = {
  '405': 'cannot serve the request: its method is not POST, and this port speaks gRPC\n',
  '415': 'cannot serve the request: its content-type is not application/grpc, and this port speaks gRPC\n',
} as const;

export type HttpRefusal = keyof typeof HTTP_TEXTS;

/** The status that refuses a request by HTTP; undefined for a gRPC call. */
export function httpRefusal(method: string, contentType: string): HttpRefusal | undefined {
  if (method !== 'POST') {
    return '405';
  }
  return isGrpc(contentType) ? undefined : '415';
}

/** `application/grpc`, with `+proto` or another message format behind it, or with parameters. Not grpc-web. */
function isGrpc(contentType: string): boolean {
  if (!contentType.startsWith(GRPC_CONTENT_TYPE)) {
    return false;
  }
  const next = contentType[GRPC_CONTENT_TYPE.length];
  return next === undefined || next === '+' || next === ';';
}
