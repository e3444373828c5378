/**
 * Manages the flow-control windows for received DATA (RFC 9113, section 5.2), and counts buffered request bytes.
 *
 * Invariants:
 *   1. Every DATA byte counts against the connection's window before any other check of the frame.
 *   2. The server replenishes the window of a streaming call when the handler reads messages. If the handler stops
 *      reading, the caller must therefore stop sending once the window is used up.
 *   3. The buffered bytes are limited per connection and in total. A call that exceeds a limit ends with
 *      RESOURCE_EXHAUSTED.
 */
import { Status, StatusError } from '../../status.ts';
import type { Outbox } from '../frames/outbox.ts';
import { ConnectionFault, DEFAULT_WINDOW_BYTES, ErrorCode, FrameType } from '../frames/protocol.ts';
import type { ConnectionBudget } from '../limits/global-budget.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import { PREFIX_BYTES } from '../messages/message-prefix.ts';
import type { Http2Stream } from './stream.ts';

/** Bytes of the budget that an unread message uses in addition to its length: the size of its objects. */
export const UNREAD_MESSAGE_BYTES = 256;

export class ReceiveWindow {
  readonly #outbox: Outbox;
  readonly #limits: Http2Limits;
  readonly #budget: ConnectionBudget;
  #windowBytes = DEFAULT_WINDOW_BYTES;
  #unacknowledgedBytes = 0;

  constructor(options: { outbox: Outbox; limits: Http2Limits; budget: ConnectionBudget }) {
    this.#outbox = options.outbox;
    this.#limits = options.limits;
    this.#budget = options.budget;
  }

  /** Announces the size of the connection's window. Must be called after our SETTINGS have been sent. */
  open(): void {
    this.#give(this.#limits.connectionWindowBytes - DEFAULT_WINDOW_BYTES);
  }

  /** Counts received DATA, including padding, against the connection's window. */
  count(bytes: number): void {
    this.#windowBytes -= bytes;
    if (this.#windowBytes < 0) {
      throw new ConnectionFault(ErrorCode.flowControl, 'DATA exceeds the flow-control window of the connection');
    }
    this.#unacknowledgedBytes += bytes;
  }

  /** Sends WINDOW_UPDATE for the connection once half of its window is used. */
  acknowledge(): void {
    const bytes = this.#unacknowledgedBytes;
    if (bytes * 2 < this.#limits.connectionWindowBytes) {
      return;
    }
    this.#unacknowledgedBytes = 0;
    this.#give(bytes);
  }

  /**
   * Credits bytes to the window of a stream. Sends WINDOW_UPDATE once half of the window is used, if the caller may
   * still send.
   */
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

  /** Counts bytes as buffered. Returns an error for the call if a limit is exceeded. */
  reserve(stream: Http2Stream, bytes: number): StatusError | undefined {
    const { maxBufferedRequestBytesPerConnection } = this.#limits;
    stream.bufferedBytes += bytes;
    this.#budget.add(bytes);
    if (this.#budget.bytes <= maxBufferedRequestBytesPerConnection && !this.#budget.isOver()) {
      return undefined;
    }
    const text =
      `cannot buffer the request: unfinished requests of this connection use ${this.#budget.bytes} bytes of at most ` +
      `${maxBufferedRequestBytesPerConnection}, or less while others use much; finish open requests before starting new ones`;
    return new StatusError(Status.RESOURCE_EXHAUSTED, text);
  }

  release(stream: Http2Stream, bytes: number): void {
    stream.bufferedBytes -= bytes;
    this.#budget.add(-bytes);
  }

  /** Releases the bytes of a message that a streaming handler has read, and credits them to the stream's window. */
  messageTaken(stream: Http2Stream, messageBytes: number): void {
    const bytes = messageBytes + PREFIX_BYTES;
    this.release(stream, Math.min(stream.bufferedBytes, bytes + UNREAD_MESSAGE_BYTES));
    const credit = Math.min(stream.uncreditedBytes, bytes);
    stream.uncreditedBytes -= credit;
    this.giveStream(stream, credit + this.creditOfCutMessage(stream));
  }

  /**
   * Returns the number of bytes to credit for a partial message, or 0 while a complete message is unread. Without this
   * credit, a message larger than the window would never arrive completely.
   */
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
