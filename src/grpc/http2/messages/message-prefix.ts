/**
 * The five bytes in front of a gRPC message: a flag, and the length of the message in four bytes.
 *
 * Source: gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), "Length-Prefixed-Message".
 */
import type { StatusError } from '../../status.ts';
import { messageTooLarge } from '../../transport/refusals.ts';
import { flagRefusal } from '../../transport/request-message.ts';

export const PREFIX_BYTES = 5;
const FLAG_PLAIN = 0;

export interface MessageRules {
  /** The longest message. */
  readonly maxBytes: number;
  /** `grpc-encoding` of the call. */
  readonly encoding: string;
}

/** Writes the prefix of a message that is not compressed; returns the offset behind it. */
export function putMessagePrefix(buffer: Buffer, at: number, messageBytes: number): number {
  buffer[at] = FLAG_PLAIN;
  buffer[at + 1] = messageBytes >>> 24;
  buffer[at + 2] = messageBytes >>> 16;
  buffer[at + 3] = messageBytes >>> 8;
  buffer[at + 4] = messageBytes;
  return at + PREFIX_BYTES;
}

/** The length of the message whose prefix lies at `at`, or why we do not read it. */
export function readPrefix(bytes: Buffer, at: number, rules: MessageRules): number | StatusError {
  const refusal = flagRefusal(bytes.readUInt8(at), rules.encoding);
  if (refusal !== undefined) {
    return refusal;
  }
  const length = bytes.readUInt32BE(at + 1);
  return length > rules.maxBytes ? messageTooLarge(length, rules.maxBytes) : length;
}
