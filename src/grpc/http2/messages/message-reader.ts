/**
 * Splits the DATA of one call into gRPC messages, one per call of `next`.
 *
 * Invariants:
 *   1. Memory grows with the bytes that arrive, never with the announced length. Each byte is copied at most twice.
 *   2. An unacceptable message is rejected before any of it is buffered.
 *   3. Each message has its own memory.
 */
import type { StatusError } from '../../status.ts';
import { bufferedMemory } from '../../transport/buffered-memory.ts';
import { type RequestMessage, requestMessage } from '../../transport/request-message.ts';
import { type MessageRules, PREFIX_BYTES, readPrefix } from './message-prefix.ts';

/**
 * Size of the first allocation for a message. This size limits the memory of a call whose caller sends one byte of a
 * message and then stops.
 */
const FIRST_BODY_BYTES = 256;
const EMPTY = Buffer.alloc(0);

export class MessageReader {
  readonly #rules: MessageRules;
  readonly #prefix = bufferedMemory(PREFIX_BYTES);
  #bufferedPrefixBytes = 0;
  #bodyBytes = 0;
  #body: Buffer | undefined;
  #bufferedBodyBytes = 0;
  /** DATA that was pushed but has not been read yet: `#input[#at, #end)`. */
  #input: Buffer = EMPTY;
  #at = 0;
  #end = 0;

  constructor(rules: MessageRules) {
    this.#rules = rules;
  }

  get isInsideMessage(): boolean {
    return this.#bufferedPrefixBytes > 0;
  }

  /** Starts reading DATA. The caller must first have read all messages of the previous DATA. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#input = bytes;
    this.#at = start;
    this.#end = end;
  }

  /**
   * Returns the next complete message, or undefined if the message needs more DATA. Returns an error if the message is
   * unacceptable; no message can be read after an error.
   */
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
      // The buffer doubles instead of using the announced length, so that memory grows with the bytes that arrive.
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
