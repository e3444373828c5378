/**
 * One request message as it arrived: its bytes, or its compressed bytes until a handler takes it.
 *
 *   1. A message stays compressed while it waits, so buffered bytes never exceed the bytes that arrived.
 *   2. Decompression stops at the upper bound of a message: a small request cannot cost more memory than a large one.
 *   3. What decompresses to more than MAX_SYNC_BYTES is decompressed in another thread, so that it does not block other calls.
 *      At most MAX_THREADS messages are decompressed at the same time. The others wait for their turn. One whose call is over
 *      is dropped at once, because nobody counts its bytes from then on.
 *   4. Whatever is wrong with a message is a StatusError of its call. Nothing here ends a connection.
 *
 * Sources: https://github.com/grpc/grpc/blob/master/doc/compression.md and PROTOCOL-HTTP2.md ("Message-Encoding"): `deflate`
 * is the zlib format of RFC 1950.
 */
import { promisify } from 'node:util';
import { gunzip, gunzipSync, inflate, inflateSync } from 'node:zlib';
import { isPromise, type MaybePromise } from '../../lib/maybe-promise.ts';
import type { AnyMethod, CallContext } from '../method.ts';
import { StatusError } from '../status.ts';
import { bufferedCopy } from './buffered-memory.ts';
import {
  callIsOver,
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

/** Takes about a third of a millisecond. */
const MAX_SYNC_BYTES = 64 * 1024;
/** Half of Node's thread pool, which also resolves names and reads files. */
const MAX_THREADS = 2;
const THREAD_CHUNK_BYTES = 64 * 1024;

interface Decompressor {
  readonly now: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer;
  readonly later: (bytes: Buffer, options: { maxOutputLength: number; chunkSize: number }) => Promise<Buffer>;
}

/** By `grpc-encoding`. */
const DECOMPRESSORS: ReadonlyMap<string, Decompressor> = new Map([
  ['deflate', { now: inflateSync, later: promisify(inflate) }],
  ['gzip', { now: gunzipSync, later: promisify(gunzip) }],
]);

/** The value of `grpc-accept-encoding` in every answer. */
export const ACCEPTED_ENCODINGS = [IDENTITY, ...DECOMPRESSORS.keys()].join(',');

/** The call that a message belongs to. */
type OpenCall = Pick<CallContext, 'isOver' | 'onOver'>;

export class CompressedMessage {
  #bytes: Buffer;
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

  /** Throws a StatusError, or rejects with one. */
  decompress(call: OpenCall): MaybePromise<Buffer> {
    const decompressor = DECOMPRESSORS.get(this.#encoding);
    if (decompressor === undefined) {
      throw compressionUnsupported(this.#encoding, ACCEPTED_ENCODINGS);
    }
    const isLong = this.#bytes.length > MAX_SYNC_BYTES;
    const bytes = isLong ? undefined : this.#decompressNow(decompressor, Math.min(MAX_SYNC_BYTES, this.#maxBytes));
    return bytes ?? this.#decompressLater(decompressor, call);
  }

  /** Undefined where the message is longer than `maxBytes` and may be. */
  #decompressNow(decompressor: Decompressor, maxBytes: number): Buffer | undefined {
    try {
      return decompressor.now(this.#bytes, { maxOutputLength: maxBytes });
    } catch (cause) {
      if (isTooLong(cause) && maxBytes < this.#maxBytes) {
        return undefined;
      }
      throw this.#refusal(cause);
    }
  }

  async #decompressLater(decompressor: Decompressor, call: OpenCall): Promise<Buffer> {
    // A message that waits must not keep the whole chunk alive that it arrived in.
    this.#bytes = bufferedCopy(this.#bytes, 0, this.#bytes.length);
    await turn(call);
    try {
      const options = { maxOutputLength: this.#maxBytes, chunkSize: THREAD_CHUNK_BYTES };
      const message = await decompressor.later(this.#bytes, options);
      if (call.isOver()) {
        throw callIsOver();
      }
      return message;
    } catch (cause) {
      throw this.#refusal(cause);
    } finally {
      endTurn();
    }
  }

  #refusal(cause: unknown): StatusError {
    if (cause instanceof StatusError) {
      return cause;
    }
    return isTooLong(cause)
      ? messageTooLarge(`more than ${this.#maxBytes}`, this.#maxBytes)
      : malformedCompression(this.#encoding, cause);
  }
}

/** Bytes of a message that is not compressed, or a compressed message. */
export type RequestMessage = Buffer | CompressedMessage;

/** Why a message with this flag cannot be read from a call with this `grpc-encoding`; undefined where it can. */
export function flagRefusal(flag: number, encoding: string): StatusError | undefined {
  if (flag === FLAG_PLAIN) {
    return undefined;
  }
  if (flag !== FLAG_COMPRESSED) {
    return unknownFlag(flag);
  }
  if (encoding === IDENTITY) {
    return compressionWithoutEncoding();
  }
  return DECOMPRESSORS.has(encoding) ? undefined : compressionUnsupported(encoding, ACCEPTED_ENCODINGS);
}

/** A message whose flag `flagRefusal` accepted. */
export function requestMessage(
  flag: number,
  bytes: Buffer,
  call: { readonly encoding: string; readonly maxBytes: number },
): RequestMessage {
  return flag === FLAG_PLAIN ? bytes : new CompressedMessage({ bytes, ...call });
}

/**
 * A value for most messages; a promise for a compressed one that is long. Throws a StatusError for a message that cannot be
 * decompressed or decoded, or rejects with one.
 */
export function decodeRequest(method: AnyMethod, message: RequestMessage, call: OpenCall): MaybePromise<unknown> {
  if (!(message instanceof CompressedMessage)) {
    return decode(method, message);
  }
  const bytes = message.decompress(call);
  return isPromise(bytes) ? bytes.then((whole) => decode(method, whole)) : decode(method, bytes);
}

function decode(method: AnyMethod, bytes: Buffer): unknown {
  try {
    return method.decode(bytes);
  } catch (cause) {
    throw malformedRequest(method.path, cause);
  }
}

function isTooLong(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
}

let running = 0;
/** Calls whose message waits for its turn, the one that waits the longest first. A call waits with one message at a time. */
const waiting = new Map<OpenCall, PromiseWithResolvers<void>>();
/** Calls that drop their waiting message when they are over. A stream may wait many times, and must not add a listener each time. */
const followed = new WeakSet<OpenCall>();

/** Waits until fewer than MAX_THREADS messages are being decompressed. Rejects as soon as the call is over. */
async function turn(call: OpenCall): Promise<void> {
  if (call.isOver()) {
    throw callIsOver();
  }
  if (running < MAX_THREADS) {
    running += 1;
    return;
  }
  const granted = Promise.withResolvers<void>();
  waiting.set(call, granted);
  if (!followed.has(call)) {
    followed.add(call);
    call.onOver(() => dropWaiting(call));
  }
  await granted.promise;
}

function dropWaiting(call: OpenCall): void {
  const granted = waiting.get(call);
  waiting.delete(call);
  granted?.reject(callIsOver());
}

/** Hands the turn to the call that waits the longest. */
function endTurn(): void {
  const [next] = waiting;
  if (next === undefined) {
    running -= 1;
    return;
  }
  const [call, granted] = next;
  waiting.delete(call);
  granted.resolve();
}
