/**
 * Reads and writes the five-byte prefix of a gRPC message: a compression flag, and the length in four bytes.
 *
 * Source: gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), "Length-Prefixed-Message".
 */
import type { StatusError } from '../../status.ts';
import { messageTooLarge } from '../../transport/refusals.ts';
import { flagRefusal } from '../../transport/request-message.ts';

export const PREFIX_BYTES = 5;
const FLAG_PLAIN = 0;

export interface MessageRules {
  /** Maximum length of a message. */
  readonly maxBytes: number;
  /** Value of the call's `grpc-encoding` header. */
  readonly encoding: string;
}

/** Writes the prefix of an uncompressed message. Returns the offset after the prefix. */
export function putMessagePrefix(buffer: Buffer, at: number, messageBytes: number): number {
  buffer[at] = FLAG_PLAIN;
  buffer[at + 1] = messageBytes >>> 24;
  buffer[at + 2] = messageBytes >>> 16;
  buffer[at + 3] = messageBytes >>> 8;
  buffer[at + 4] = messageBytes;
  return at + PREFIX_BYTES;
}

/** Returns the length of the message whose prefix starts at `at`, or an error if the message is not acceptable. */
export function readPrefix(bytes: Buffer, at: number, rules: MessageRules): number | StatusError {
  const refusal = flagRefusal(bytes.readUInt8(at), rules.encoding);
  if (refusal !== undefined) {
    return refusal;
  }
  const length = bytes.readUInt32BE(at + 1);
  return length > rules.maxBytes ? messageTooLarge(length, rules.maxBytes) : length;
}
