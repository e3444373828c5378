/**
 * Represents a request message. The message stays compressed until a handler reads it. Reading the message decompresses
 * and decodes it.
 *
 *   1. A message stays compressed while it is queued, so buffered bytes never exceed the bytes that arrived.
 *   2. Decompression stops at the maximum size of a message, so a small request cannot use more memory than a large
 *      one.
 *   3. Messages that decompress to more than MAX_SYNC_BYTES are decompressed in another thread, so that they do not
 *      block other calls. At most MAX_THREADS messages are decompressed at the same time, and further messages are
 *      queued.
 *   4. A queued message is dropped as soon as its call ends, because no budget counts the bytes of the message after
 *      the call has ended.
 *   5. An invalid message ends its call with a StatusError, and never ends a connection.
 *
 * Sources: https://github.com/grpc/grpc/blob/master/doc/compression.md and PROTOCOL-HTTP2.md ("Message-Encoding"):
 * `deflate` is the zlib format of RFC 1950.
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

/**
 * Maximum size of a message that is decompressed on the main thread. Decompression then takes about a third of a
 * millisecond.
 */
const MAX_SYNC_BYTES = 64 * 1024;
/** Half of Node's thread pool, because Node also uses the pool to resolve host names and read files. */
const MAX_THREADS = 2;
const THREAD_CHUNK_BYTES = 64 * 1024;

interface Decompressor {
  readonly now: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer;
  readonly later: (bytes: Buffer, options: { maxOutputLength: number; chunkSize: number }) => Promise<Buffer>;
}

/** Decompressors by `grpc-encoding`. */
const DECOMPRESSORS: ReadonlyMap<string, Decompressor> = new Map([
  ['deflate', { now: inflateSync, later: promisify(inflate) }],
  ['gzip', { now: gunzipSync, later: promisify(gunzip) }],
]);

/** Value of `grpc-accept-encoding` in every response. */
export const ACCEPTED_ENCODINGS = [IDENTITY, ...DECOMPRESSORS.keys()].join(',');

/** Call that a message belongs to. */
type OpenCall = Pick<CallContext, 'isOver' | 'onOver'>;

export class CompressedMessage {
  #bytes: Buffer;
  readonly #encoding: string;
  readonly #maxBytes: number;

  /** Creates a message. `maxBytes` is the maximum size of the decompressed message. */
  constructor(options: { bytes: Buffer; encoding: string; maxBytes: number }) {
    this.#bytes = options.bytes;
    this.#encoding = options.encoding;
    this.#maxBytes = options.maxBytes;
  }

  /** Number of compressed bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Decompresses the message. If decompression fails, throws a StatusError or rejects with a StatusError. */
  decompress(call: OpenCall): MaybePromise<Buffer> {
    const decompressor = DECOMPRESSORS.get(this.#encoding);
    if (decompressor === undefined) {
      throw compressionUnsupported(this.#encoding, ACCEPTED_ENCODINGS);
    }
    const isLong = this.#bytes.length > MAX_SYNC_BYTES;
    const bytes = isLong ? undefined : this.#decompressNow(decompressor, Math.min(MAX_SYNC_BYTES, this.#maxBytes));
    return bytes ?? this.#decompressLater(decompressor, call);
  }

  /**
   * Decompresses the message on this thread if the result is at most `maxBytes` long. Returns undefined if the result
   * is longer than `maxBytes`, but may still be within the size limit of messages.
   */
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
    // The copy prevents a queued message from keeping alive the whole chunk in which it arrived.
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

/** A buffer for an uncompressed message, or an object for a compressed message. */
export type RequestMessage = Buffer | CompressedMessage;

/**
 * Returns the error for a message whose flag does not match the `grpc-encoding` of its call, or undefined if the flag
 * matches.
 */
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

/** Creates a message. The caller must have checked the flag with `flagRefusal`. */
export function requestMessage(
  flag: number,
  bytes: Buffer,
  call: { readonly encoding: string; readonly maxBytes: number },
): RequestMessage {
  return flag === FLAG_PLAIN ? bytes : new CompressedMessage({ bytes, ...call });
}

/**
 * Decompresses and decodes a message. Returns a promise only for a long compressed message. If the message is
 * malformed, throws a StatusError or rejects with a StatusError.
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
/** Calls with a queued message, the oldest first. A call has at most one queued message at a time. */
const waiting = new Map<OpenCall, PromiseWithResolvers<void>>();
/**
 * Calls that already have an end listener. A stream may queue many messages one after the other, but it needs only one
 * listener.
 */
const followed = new WeakSet<OpenCall>();

/** Waits until fewer than MAX_THREADS messages are being decompressed. Rejects as soon as the call ends. */
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

/** Starts the decompression of the oldest queued message, if there is one. */
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
