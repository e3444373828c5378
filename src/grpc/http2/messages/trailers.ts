/**
 * The header blocks that open and end an answer, made once.
 *
 * Source: gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), "Responses".
 */
import { Status, type StatusCode } from '../../status.ts';
import { ACCEPTED_ENCODINGS } from '../../transport/request-message.ts';
import { encodeField, STATUS_200 } from '../hpack/encoder.ts';

/** Opens an answer. */
export const OPENING_BLOCK = Buffer.concat([
  STATUS_200,
  encodeField('content-type', 'application/grpc'),
  encodeField('grpc-accept-encoding', ACCEPTED_ENCODINGS),
]);
/** Ends an answer that went well. */
export const OK_BLOCK = encodeField('grpc-status', String(Status.OK));

/** Clients bound the headers that they take, some at 8 KiB: a text of many bytes is cut, at a whole character. */
const MAX_ENCODED_MESSAGE_LENGTH = 4_096;
const MAX_CACHED = 64;
const MAX_CACHED_MESSAGE_LENGTH = 256;

/** The trailers of errors, most of which repeat. Emptied when it is full. */
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

/** Printable ASCII stays, but for the percent sign and quotes; the rest becomes its UTF-8 bytes in percent form. */
export function percentEncode(message: string): string {
  let encoded = '';
  for (const character of message.toWellFormed()) {
    const piece = /[ !#$&-~]/.test(character) ? character : percentForm(character);
    if (encoded.length + piece.length > MAX_ENCODED_MESSAGE_LENGTH) {
      break;
    }
    encoded += piece;
  }
  // A field value may not begin or end with a blank (RFC 9113, section 8.2.1).
  return encoded.replace(/^ | $/g, '%20');
}

function percentForm(character: string): string {
  let form = '';
  for (const byte of Buffer.from(character)) {
    form += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return form;
}
