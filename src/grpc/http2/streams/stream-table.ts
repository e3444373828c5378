/**
 * Tracks the streams of a connection: which streams are open, which were reset, how many have a running handler, and
 * how each stream ends.
 *
 * Invariants:
 *   1. A handler counts against the limit of its connection until it settles, because a reset of its stream does not
 *      stop the handler (CVE-2023-44487, CVE-2025-8671).
 *   2. A stream that has left the table is closed and has no buffered request bytes.
 */
import { type FrameBudget, REFUSED_COST } from '../frames/frame-budget.ts';
import type { Outbox } from '../frames/outbox.ts';
import { ConnectionFault, ErrorCode, FrameType, MAX_STREAM_ID } from '../frames/protocol.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { Http2Stream } from './stream.ts';

/**
 * Number of reset streams that the table remembers. Frames that the peer sent on such a stream before it received the
 * reset are ignored.
 */
const MAX_REMEMBERED_RESETS = 256;

export class StreamTable {
  /** Highest stream id that the peer has opened. */
  lastId = 0;
  /** Highest stream id that the table accepts. A GOAWAY from either side lowers this id. */
  maxAcceptedId = MAX_STREAM_ID;
  /** Function that the table calls when the last open stream has ended. A draining connection sets this function. */
  onEmpty: (() => void) | undefined;
  readonly #outbox: Outbox;
  readonly #frameBudget: FrameBudget;
  readonly #receiveWindow: ReceiveWindow;
  readonly #open = new Map<number, Http2Stream>();
  readonly #resetIds = new Set<number>();
  /** Number of handlers that still run after their stream has ended. */
  #orphans = 0;

  constructor(parts: { outbox: Outbox; frameBudget: FrameBudget; receiveWindow: ReceiveWindow }) {
    this.#outbox = parts.outbox;
    this.#frameBudget = parts.frameBudget;
    this.#receiveWindow = parts.receiveWindow;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Number of open streams, plus handlers that still run after their stream has ended. */
  get busy(): number {
    return this.#open.size + this.#orphans;
  }

  values(): IterableIterator<Http2Stream> {
    return this.#open.values();
  }

  add(stream: Http2Stream): void {
    this.#open.set(stream.id, stream);
  }

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id);
  }

  /**
   * Returns the stream of a control frame, or undefined if the stream is closed. Throws a ConnectionFault for an idle
   * stream (RFC 9113, section 5.1).
   */
  known(id: number, frameName: string): Http2Stream | undefined {
    if (id === 0 || id > this.lastId) {
      throw new ConnectionFault(ErrorCode.protocol, `${frameName} received on an idle stream`);
    }
    return this.#open.get(id);
  }

  wasReset(id: number): boolean {
    return this.#resetIds.has(id);
  }

  /** Records that the handler of a stream has settled. */
  settled(stream: Http2Stream): void {
    stream.isRunning = false;
    if (stream.isClosed) {
      this.#orphans -= 1;
    }
  }

  /** Closes a stream after the server has sent the last frame of the response. */
  answered(stream: Http2Stream): void {
    if (!stream.isRemoteClosed) {
      // Asks the caller not to send the rest of its request, because the server will not read it (RFC 9113, section
      // 8.1).
      this.#reset(stream.id, ErrorCode.none);
    }
    this.#frameBudget.callFinished();
    this.remove(stream);
  }

  /**
   * Sends RST_STREAM for an open, refused or closed stream, and consumes points of the frame budget. Throws a
   * ConnectionFault if this reset exhausts the frame budget.
   */
  refuse(id: number, code: ErrorCode): void {
    this.#reset(id, code);
    this.#frameBudget.consume(REFUSED_COST);
  }

  remove(stream: Http2Stream): void {
    if (stream.isClosed) {
      return;
    }
    this.#open.delete(stream.id);
    if (stream.isRunning) {
      this.#orphans += 1;
    }
    if (stream.bufferedBytes > 0) {
      this.#receiveWindow.release(stream, stream.bufferedBytes);
    }
    stream.close();
    if (this.#open.size === 0) {
      this.onEmpty?.();
    }
  }

  #reset(id: number, code: ErrorCode): void {
    this.#outbox.numberFrame(FrameType.resetStream, id, code);
    this.#resetIds.add(id);
    if (this.#resetIds.size > MAX_REMEMBERED_RESETS) {
      const [oldest] = this.#resetIds;
      this.#resetIds.delete(oldest as number);
    }
  }
}
