/**
 * The five bytes in front of a gRPC message: a flag, and the length of the message in four bytes.
 *
 * Source: gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), "Length-Prefixed-Message".
 */
import { Status, StatusError } from '../../status.ts';
import { compressionRefused } from '../../transport/refusals.ts';

export const PREFIX_BYTES = 5;
const FLAG_PLAIN = 0;
const FLAG_COMPRESSED = 1;

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
  const flag = bytes[at] as number;
  if (flag !== FLAG_PLAIN) {
    return flagRefused(flag, rules.encoding);
  }
  const length = bytes.readUInt32BE(at + 1);
  if (length > rules.maxBytes) {
    const text = `Cannot read the request: its message must have at most ${rules.maxBytes} bytes, got ${length}`;
    return new StatusError(Status.RESOURCE_EXHAUSTED, text);
  }
  return length;
}

function flagRefused(flag: number, encoding: string): StatusError {
  if (flag !== FLAG_COMPRESSED) {
    return new StatusError(
      Status.INTERNAL,
      `Cannot read the request: the flag of a message must be 0 or 1, got ${flag}`,
    );
  }
  if (encoding === 'identity') {
    const text =
      'Cannot read the request: a message is marked as compressed, and the call has no grpc-encoding; send both or neither';
    return new StatusError(Status.INTERNAL, text);
  }
  return compressionRefused(encoding);
}
