/**
 * Cuts the DATA of one call into gRPC messages, one per call of `next`.
 *
 * Invariants:
 *   1. Memory grows with the bytes that arrive, never with a length that is announced. Each byte is copied at most twice.
 *   2. A message that we do not read is refused before a byte of it is buffered.
 *   3. Each message has bytes of its own.
 */
import type { StatusError } from '../../status.ts';
import { bufferedMemory } from '../../transport/buffered-memory.ts';
import { type RequestMessage, requestMessage } from '../../transport/request-message.ts';
import { type MessageRules, PREFIX_BYTES, readPrefix } from './message-prefix.ts';

/** What a call may cost whose caller sends a byte of its message and no more. */
const FIRST_BODY_BYTES = 256;
const EMPTY = Buffer.alloc(0);

export class MessageReader {
  readonly #rules: MessageRules;
  readonly #prefix = bufferedMemory(PREFIX_BYTES);
  #bufferedPrefixBytes = 0;
  #bodyBytes = 0;
  #body: Buffer | undefined;
  #bufferedBodyBytes = 0;
  /** What was pushed and not read yet: `#input[#at, #end)`. */
  #input: Buffer = EMPTY;
  #at = 0;
  #end = 0;

  constructor(rules: MessageRules) {
    this.#rules = rules;
  }

  get isInsideMessage(): boolean {
    return this.#bufferedPrefixBytes > 0;
  }

  /** Gives the reader DATA. All messages of the DATA before must have been read. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#input = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** The next whole message; undefined where more DATA must come first; a StatusError, after which nothing can be read. */
  next(): RequestMessage | StatusError | undefined {
    while (this.#at < this.#end) {
      if (this.#bufferedPrefixBytes < PREFIX_BYTES) {
        this.#fillPrefix();
        if (this.#bufferedPrefixBytes < PREFIX_BYTES) {
          break;
        }
        const bodyBytes = readPrefix(this.#prefix, 0, this.#rules);
        if (typeof bodyBytes !== 'number') {
          return bodyBytes;
        }
        this.#bodyBytes = bodyBytes;
        this.#bufferedBodyBytes = 0;
      }
      this.#fillBody();
      if (this.#bufferedBodyBytes === this.#bodyBytes) {
        return this.#takeMessage();
      }
    }
    this.#input = EMPTY;
    return undefined;
  }

  #fillPrefix(): void {
    const end = Math.min(this.#end, this.#at + PREFIX_BYTES - this.#bufferedPrefixBytes);
    const copied = this.#input.copy(this.#prefix, this.#bufferedPrefixBytes, this.#at, end);
    this.#bufferedPrefixBytes += copied;
    this.#at += copied;
  }

  #fillBody(): void {
    const count = Math.min(this.#bodyBytes - this.#bufferedBodyBytes, this.#end - this.#at);
    if (count === 0) {
      return;
    }
    const bufferedBytes = this.#bufferedBodyBytes + count;
    if (this.#body === undefined || this.#body.length < bufferedBytes) {
      // The announced length is believed only as far as bytes have arrived.
      const grown = bufferedMemory(Math.min(this.#bodyBytes, Math.max(bufferedBytes * 2, FIRST_BODY_BYTES)));
      this.#body?.copy(grown, 0, 0, this.#bufferedBodyBytes);
      this.#body = grown;
    }
    this.#input.copy(this.#body, this.#bufferedBodyBytes, this.#at, this.#at + count);
    this.#bufferedBodyBytes = bufferedBytes;
    this.#at += count;
  }

  #takeMessage(): RequestMessage {
    const body = this.#body ?? EMPTY;
    this.#body = undefined;
    this.#bufferedPrefixBytes = 0;
    const bytes = body.length === this.#bodyBytes ? body : body.subarray(0, this.#bodyBytes);
    return requestMessage(this.#prefix.readUInt8(0), bytes, this.#rules);
  }
}
