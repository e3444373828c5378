/**
 * Cuts the DATA of one call into gRPC messages: a flag byte, four bytes of length, the message.
 *
 * Promises: memory grows with the bytes that arrive, never with a length that is announced; each byte is copied at most
 * twice. What cannot be read throws a StatusError, before a byte of it is held.
 */
import { messageTooLarge } from '../../transport/refusals.ts';
import { flagRefusal, type RequestMessage, requestMessage } from '../../transport/request-message.ts';
import { bufferedMemory } from '../limits/buffered-memory.ts';

export const PREFIX_BYTES = 5;
/** What a call may cost whose caller sends a byte of its message and no more. */
const FIRST_BODY_BYTES = 256;

export interface MessageRules {
  /** The longest message. */
  readonly maxBytes: number;
  /** `grpc-encoding` of the call. */
  readonly encoding: string;
}

export class MessageReader {
  readonly #rules: MessageRules;
  readonly #prefix = bufferedMemory(PREFIX_BYTES);
  #prefixHeldBytes = 0;
  #bodyBytes = 0;
  #body: Buffer | undefined;
  #bodyHeldBytes = 0;

  constructor(rules: MessageRules) {
    this.#rules = rules;
  }

  get isInsideMessage(): boolean {
    return this.#prefixHeldBytes > 0;
  }

  /** Hands on each message that is whole now, as bytes of its own. Throws a StatusError. */
  push(bytes: Buffer, start: number, end: number, take: (message: RequestMessage) => void): void {
    let at = start;
    while (at < end) {
      if (this.#prefixHeldBytes < PREFIX_BYTES) {
        at += this.#fillPrefix(bytes, at, end);
        if (this.#prefixHeldBytes < PREFIX_BYTES) {
          return;
        }
        this.#bodyBytes = readPrefix(this.#prefix, 0, this.#rules);
        this.#bodyHeldBytes = 0;
      }
      const copied = Math.min(this.#bodyBytes - this.#bodyHeldBytes, end - at);
      if (copied > 0) {
        this.#hold(bytes, at, copied);
        at += copied;
      }
      if (this.#bodyHeldBytes < this.#bodyBytes) {
        return;
      }
      const body = this.#body ?? EMPTY;
      const message = body.length === this.#bodyBytes ? body : body.subarray(0, this.#bodyBytes);
      this.#body = undefined;
      this.#prefixHeldBytes = 0;
      take(requestMessage(this.#prefix.readUInt8(0), message, this.#rules));
    }
  }

  #fillPrefix(bytes: Buffer, at: number, end: number): number {
    const wanted = Math.min(end, at + PREFIX_BYTES - this.#prefixHeldBytes);
    const copied = bytes.copy(this.#prefix, this.#prefixHeldBytes, at, wanted);
    this.#prefixHeldBytes += copied;
    return copied;
  }

  #hold(bytes: Buffer, at: number, count: number): void {
    const held = this.#bodyHeldBytes + count;
    if (this.#body === undefined || this.#body.length < held) {
      // The announced length is believed only as far as bytes have arrived.
      const grown = bufferedMemory(Math.min(this.#bodyBytes, Math.max(held * 2, FIRST_BODY_BYTES)));
      this.#body?.copy(grown, 0, 0, this.#bodyHeldBytes);
      this.#body = grown;
    }
    bytes.copy(this.#body, this.#bodyHeldBytes, at, at + count);
    this.#bodyHeldBytes = held;
  }
}

const EMPTY = Buffer.alloc(0);

/** The length of the message whose prefix lies at `at`; throws a StatusError for one that we will not read. */
export function readPrefix(bytes: Buffer, at: number, rules: MessageRules): number {
  const refusal = flagRefusal(bytes.readUInt8(at), rules.encoding);
  if (refusal !== undefined) {
    throw refusal;
  }
  const length = bytes.readUInt32BE(at + 1);
  if (length > rules.maxBytes) {
    throw messageTooLarge(length, rules.maxBytes);
  }
  return length;
}
