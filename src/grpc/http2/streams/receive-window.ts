/**
 * Flow control of what we receive (RFC 9113, section 5.2): the windows that we give, and the request bytes that we buffer.
 *
 * Invariants:
 *   1. Every DATA byte counts against the connection's window before anything else is decided about it.
 *   2. A call gets its window back as its messages are taken: a handler that does not read holds its caller back.
 *   3. Buffered bytes are bounded per connection and for all of them together; a call that goes beyond it ends.
 */
import { Status, StatusError } from '../../status.ts';
import type { Outbox } from '../frames/outbox.ts';
import { ConnectionFault, DEFAULT_WINDOW_BYTES, ErrorCode, FrameType } from '../frames/protocol.ts';
import type { ConnectionBudget } from '../limits/global-budget.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import { PREFIX_BYTES } from '../messages/message-prefix.ts';
import type { Http2Stream } from './stream.ts';

/** What a message that its handler has not read costs besides its bytes: the object that it is. */
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

  /** Counts bytes as buffered. Returns why the call must end where that is too much. */
  reserve(stream: Http2Stream, bytes: number): StatusError | undefined {
    const { maxBufferedRequestBytesPerConnection } = this.#limits;
    stream.bufferedBytes += bytes;
    this.#budget.add(bytes);
    if (this.#budget.bytes <= maxBufferedRequestBytesPerConnection && !this.#budget.isOver()) {
      return undefined;
    }
    const text =
      `cannot buffer the request: unfinished requests of the connection must have at most ${maxBufferedRequestBytesPerConnection} ` +
      `bytes, and less while other connections buffer much, got ${this.#budget.bytes}; finish requests before you begin new ones`;
    return new StatusError(Status.RESOURCE_EXHAUSTED, text);
  }

  release(stream: Http2Stream, bytes: number): void {
    stream.bufferedBytes -= bytes;
    this.#budget.add(-bytes);
  }

  /** A streaming handler took a message. */
  messageTaken(stream: Http2Stream, messageBytes: number): void {
    const bytes = messageBytes + PREFIX_BYTES;
    this.release(stream, Math.min(stream.bufferedBytes, bytes + UNREAD_MESSAGE_BYTES));
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
