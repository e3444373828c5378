/**
 * Flow control of what we receive (RFC 9113, section 5.2): the windows that we give, and the bytes that we hold.
 *
 * Promises:
 *   1. Every DATA byte counts against the connection's window before anything else is decided about it.
 *   2. A call gets its window back as its messages are taken: a handler that does not read holds its caller back.
 *   3. Held bytes are bounded per connection and for all of them together; what comes on top ends its call.
 */
import { Status, StatusError } from '../../status.ts';
import { PREFIX_BYTES } from '../calls/message-reader.ts';
import type { Outbox } from '../frames/outbox.ts';
import { ConnectionFault, DEFAULT_WINDOW_BYTES, ErrorCode, FrameType } from '../frames/protocol.ts';
import type { Share } from '../limits/global-budget.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Http2Stream } from './stream.ts';

/** What a message costs that waits for its handler, besides its bytes: the object that it is. */
export const WAITING_MESSAGE_BYTES = 256;

export class ReceiveWindow {
  readonly #outbox: Outbox;
  readonly #limits: Http2Limits;
  readonly #held: Share;
  #windowBytes = DEFAULT_WINDOW_BYTES;
  #unacknowledgedBytes = 0;

  constructor(options: { outbox: Outbox; limits: Http2Limits; held: Share }) {
    this.#outbox = options.outbox;
    this.#limits = options.limits;
    this.#held = options.held;
  }

  /** Announces the connection's window; follows our SETTINGS. */
  open(): void {
    this.#give(this.#limits.connectionWindowBytes - DEFAULT_WINDOW_BYTES);
  }

  /** DATA arrived, padding included. */
  count(bytes: number): void {
    this.#windowBytes -= bytes;
    if (this.#windowBytes < 0) {
      throw new ConnectionFault(ErrorCode.flowControl, 'more DATA than the window of the connection');
    }
    this.#unacknowledgedBytes += bytes;
  }

  /** Gives the connection's window back once half of it is used. */
  acknowledge(): void {
    const bytes = this.#unacknowledgedBytes;
    if (bytes * 2 < this.#limits.connectionWindowBytes) {
      return;
    }
    this.#unacknowledgedBytes = 0;
    this.#give(bytes);
  }

  /** Gives a call's window back once half of it is used and as long as it may send. */
  giveStream(stream: Http2Stream, bytes: number): void {
    stream.unacknowledgedBytes += bytes;
    const isEnough = stream.unacknowledgedBytes * 2 >= this.#limits.streamWindowBytes;
    if (!isEnough || stream.isRemoteClosed || stream.isClosed) {
      return;
    }
    stream.receiveWindowBytes += stream.unacknowledgedBytes;
    this.#outbox.numberFrame(FrameType.windowUpdate, stream.id, stream.unacknowledgedBytes);
    stream.unacknowledgedBytes = 0;
  }

  /** Throws a StatusError where too much is held already. */
  hold(stream: Http2Stream, bytes: number): void {
    const { maxBufferedRequestBytesPerConnection } = this.#limits;
    stream.heldBytes += bytes;
    this.#held.add(bytes);
    if (this.#held.bytes > maxBufferedRequestBytesPerConnection || this.#held.isOver()) {
      const text =
        `Cannot hold the request: unfinished requests of the connection have ${this.#held.bytes} bytes, wanted at most ` +
        `${maxBufferedRequestBytesPerConnection}, and less while other connections hold much`;
      throw new StatusError(Status.RESOURCE_EXHAUSTED, text);
    }
  }

  release(stream: Http2Stream, bytes: number): void {
    stream.heldBytes -= bytes;
    this.#held.add(-bytes);
  }

  /** A streaming handler took a message. */
  messageTaken(stream: Http2Stream, messageBytes: number): void {
    const bytes = messageBytes + PREFIX_BYTES;
    this.release(stream, Math.min(stream.heldBytes, bytes + WAITING_MESSAGE_BYTES));
    const credit = Math.min(stream.uncreditedBytes, bytes);
    stream.uncreditedBytes -= credit;
    this.giveStream(stream, credit + this.creditOfCutMessage(stream));
  }

  /** A handler that waits for the rest of a message larger than the window would wait for ever without this. */
  creditOfCutMessage(stream: Http2Stream): number {
    if (stream.streaming?.hasUnread === true || stream.reader?.isInsideMessage !== true) {
      return 0;
    }
    const credit = stream.uncreditedBytes;
    stream.uncreditedBytes = 0;
    return credit;
  }

  #give(bytes: number): void {
    this.#windowBytes += bytes;
    this.#outbox.numberFrame(FrameType.windowUpdate, 0, bytes);
  }
}
