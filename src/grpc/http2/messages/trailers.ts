/**
 * Encodes the header blocks of a response: the headers at its start, and the trailers at its end.
 *
 * Source: gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), "Responses".
 */
import { Status, type StatusCode } from '../../status.ts';
import { ACCEPTED_ENCODINGS } from '../../transport/request-message.ts';
import { encodeField, STATUS_200 } from '../hpack/encoder.ts';

/** Header block that opens a response. */
export const OPENING_BLOCK = Buffer.concat([
  STATUS_200,
  encodeField('content-type', 'application/grpc'),
  encodeField('grpc-accept-encoding', ACCEPTED_ENCODINGS),
]);
/** Trailers of a successful response. */
export const OK_BLOCK = encodeField('grpc-status', String(Status.OK));

/**
 * Maximum length of `grpc-message`. The limit is below 8 KiB, because some clients accept at most 8 KiB of headers. A
 * longer message is truncated after a complete character.
 */
const MAX_ENCODED_MESSAGE_LENGTH = 4_096;
const MAX_CACHED = 64;
const MAX_CACHED_MESSAGE_LENGTH = 256;

/**
 * Cached trailers of errors. They are cached because the same errors occur repeatedly. The cache is cleared when it is
 * full.
 */
const cached = new Map<string, Buffer>();

export interface FinalStatus {
  readonly code: StatusCode;
  readonly message: string;
  /** Sent as `grpc-retry-pushback-ms`. */
  readonly retryPushbackMs?: number | undefined;
}

export function trailersBlock(status: FinalStatus): Buffer {
  if (status.message.length > MAX_CACHED_MESSAGE_LENGTH) {
    return encodeTrailers(status);
  }
  const key = `${status.code} ${status.retryPushbackMs ?? ''} ${status.message}`;
  let block = cached.get(key);
  if (block === undefined) {
    block = encodeTrailers(status);
    if (cached.size >= MAX_CACHED) {
      cached.clear();
    }
    cached.set(key, block);
  }
  return block;
}

function encodeTrailers({ code, message, retryPushbackMs }: FinalStatus): Buffer {
  const fields = [encodeField('grpc-status', String(code))];
  if (message !== '') {
    fields.push(encodeField('grpc-message', percentEncode(message)));
  }
  if (retryPushbackMs !== undefined) {
    fields.push(encodeField('grpc-retry-pushback-ms', String(Math.round(retryPushbackMs))));
  }
  return Buffer.concat(fields);
}

/**
 * Percent-encodes a status message. Printable ASCII characters except `%` and `"` stay unchanged, and all other
 * characters become percent-encoded UTF-8.
 */
export function percentEncode(message: string): string {
  let encoded = '';
  for (const character of message.toWellFormed()) {
    const piece = /[ !#$&-~]/.test(character) ? character : percentForm(character);
    if (encoded.length + piece.length > MAX_ENCODED_MESSAGE_LENGTH) {
      break;
    }
    encoded += piece;
  }
  // A field value must not start or end with a space (RFC 9113, section 8.2.1).
  return encoded.replace(/^ | $/g, '%20');
}

function percentForm(character: string): string {
  let form = '';
  for (const byte of Buffer.from(character)) {
    form += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return form;
}
