/**
 * One request message as it arrived: its bytes, or its compressed bytes until a handler takes it.
 *
 *   1. A message stays compressed while it waits, so buffered bytes never exceed the bytes that arrived.
 *   2. It is decompressed and decoded in one turn. At most one decompressed message exists per process at any time.
 *   3. Decompression stops at the upper bound of a message: a small request cannot cost more than an uncompressed one.
 *   4. Whatever is wrong with a message is a StatusError of its call. Nothing here ends a connection.
 *
 * Sources: https://github.com/grpc/grpc/blob/master/doc/compression.md and PROTOCOL-HTTP2.md ("Message-Encoding"): `deflate`
 * is the zlib format of RFC 1950.
 */
import { gunzipSync, inflateSync } from 'node:zlib';
import type { AnyMethod } from '../method.ts';
import { StatusError } from '../status.ts';
import {
  compressionUnsupported,
  compressionWithoutEncoding,
  malformedCompression,
  malformedRequest,
  messageTooLarge,
  unknownFlag,
} from './refusals.ts';

const FLAG_PLAIN = 0;
const FLAG_COMPRESSED = 1;
const IDENTITY = 'identity';

type Decompress = (bytes: Buffer, options: { maxOutputLength: number }) => Buffer;

/** By `grpc-encoding`. */
const DECOMPRESSORS: ReadonlyMap<string, Decompress> = new Map([
  ['deflate', inflateSync],
  ['gzip', gunzipSync],
]);

/** The value of `grpc-accept-encoding` in every answer. */
export const ACCEPTED_ENCODINGS = [IDENTITY, ...DECOMPRESSORS.keys()].join(',');

export class CompressedMessage {
  readonly #bytes: Buffer;
  readonly #encoding: string;
  readonly #maxBytes: number;

  /** `maxBytes` bounds the decompressed message. */
  constructor(options: { bytes: Buffer; encoding: string; maxBytes: number }) {
    this.#bytes = options.bytes;
    this.#encoding = options.encoding;
    this.#maxBytes = options.maxBytes;
  }

  /** Compressed bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Throws a StatusError. */
  decompress(): Buffer {
    const decompress = DECOMPRESSORS.get(this.#encoding);
    if (decompress === undefined) {
      throw compressionUnsupported(this.#encoding, ACCEPTED_ENCODINGS);
    }
    try {
      return decompress(this.#bytes, { maxOutputLength: this.#maxBytes });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw messageTooLarge(`more than ${this.#maxBytes}`, this.#maxBytes);
      }
      throw malformedCompression(this.#encoding, cause);
    }
  }
}

/** Bytes of a message that is not compressed, or a compressed message. */
export type RequestMessage = Buffer | CompressedMessage;

/** Throws a StatusError if no message with this flag can be read from a call with this `grpc-encoding`. */
export function checkFlag(flag: number, encoding: string): void {
  if (flag === FLAG_PLAIN) {
    return;
  }
  if (flag !== FLAG_COMPRESSED) {
    throw unknownFlag(flag);
  }
  if (encoding === IDENTITY) {
    throw compressionWithoutEncoding();
  }
  if (!DECOMPRESSORS.has(encoding)) {
    throw compressionUnsupported(encoding, ACCEPTED_ENCODINGS);
  }
}

/** A message whose flag `checkFlag` accepted. */
export function requestMessage(
  flag: number,
  bytes: Buffer,
  call: { readonly encoding: string; readonly maxBytes: number },
): RequestMessage {
  return flag === FLAG_PLAIN ? bytes : new CompressedMessage({ bytes, ...call });
}

/** Throws a StatusError for a message that cannot be decompressed or decoded. */
export function decodeRequest(method: AnyMethod, message: RequestMessage): unknown {
  try {
    return method.decode(message instanceof CompressedMessage ? message.decompress() : message);
  } catch (cause) {
    throw cause instanceof StatusError ? cause : malformedRequest(method.path, cause);
  }
}
