/**
 * What every transport answers to a call that never reaches a handler: the statuses and their texts.
 */
import { Status, StatusError } from '../status.ts';

const MAX_PATH_LENGTH = 200;

export function unknownMethod(path: string): StatusError {
  const text = `Cannot call ${path.slice(0, MAX_PATH_LENGTH)}: there is no such method, wanted one that reflection lists`;
  return new StatusError(Status.UNIMPLEMENTED, text);
}

export function metadataTooLarge(limits: { maxMetadataBytes: number; maxMetadataFields: number }): StatusError {
  const { maxMetadataBytes, maxMetadataFields } = limits;
  const text = `Cannot serve the call: its metadata has more than ${maxMetadataBytes} bytes or ${maxMetadataFields} fields, wanted less`;
  return new StatusError(Status.RESOURCE_EXHAUSTED, text);
}

export function malformedTimeout(): StatusError {
  const text =
    'Cannot serve the call: its grpc-timeout is malformed, wanted 1 to 8 digits and a unit of H, M, S, m, u, n';
  return new StatusError(Status.INVALID_ARGUMENT, text);
}

/** Of what a decoder threw: a StatusError says itself what is wrong. */
export function malformedRequest(path: string, cause: unknown): StatusError {
  if (cause instanceof StatusError) {
    return cause;
  }
  const text = `Cannot read the request of ${path}: the bytes are no message of its type, wanted valid protobuf`;
  return new StatusError(Status.INTERNAL, text, { cause });
}

/** For a stream that a drain ends. */
export function stopping(): StatusError {
  return new StatusError(Status.UNAVAILABLE, 'Cannot keep the stream: the sidecar is stopping, open it anew');
}

/** A caller that takes no answers is not made more of them. */
export function answersNotTaken(): StatusError {
  return new StatusError(
    Status.RESOURCE_EXHAUSTED,
    'Cannot send the answer: too many answers wait for this connection, wanted a caller that reads them',
  );
}

/** Answered with `grpc-accept-encoding`, from which a caller learns what it may send. */
export function compressionRefused(encoding: string): StatusError {
  const text = `Cannot read the request: it is compressed with ${encoding.slice(0, 32)}, wanted no compression (identity)`;
  return new StatusError(Status.UNIMPLEMENTED, text);
}
