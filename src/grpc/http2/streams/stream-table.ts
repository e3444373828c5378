/**
 * The streams of a connection: those that are open, how many count, which we reset, and how each of them ends.
 *
 * Invariants:
 *   1. A handler counts against the limit of its connection until it settles, even where its stream was reset (CVE-2023-44487,
 *      CVE-2025-8671): a reset frees no work.
 *   2. A stream that has left the table has no buffered request bytes, and is closed.
 */
import { type FrameBudget, REFUSED_COST } from '../frames/frame-budget.ts';
import type { Outbox } from '../frames/outbox.ts';
import { ConnectionFault, ErrorCode, FrameType, MAX_STREAM_ID } from '../frames/protocol.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { Http2Stream } from './stream.ts';

/** Frames that were in flight to streams that we reset are ignored, and are no error. */
const MAX_REMEMBERED_RESETS = 256;

export class StreamTable {
  /** The highest stream that the peer has opened. */
  lastId = 0;
  /** Streams above this one are refused: we have announced it in a GOAWAY, or the peer has. */
  maxAcceptedId = MAX_STREAM_ID;
  /** Called when the last open stream has ended. Set while the connection drains. */
  onEmpty: (() => void) | undefined;
  readonly #outbox: Outbox;
  readonly #frameBudget: FrameBudget;
  readonly #receiveWindow: ReceiveWindow;
  readonly #open = new Map<number, Http2Stream>();
  readonly #resetIds = new Set<number>();
  /** Handlers that still run although their stream is gone. */
  #orphans = 0;

  constructor(parts: { outbox: Outbox; frameBudget: FrameBudget; receiveWindow: ReceiveWindow }) {
    this.#outbox = parts.outbox;
    this.#frameBudget = parts.frameBudget;
    this.#receiveWindow = parts.receiveWindow;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Streams that are open and handlers that run without one. */
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

  /** The stream of a control frame, undefined where it is closed; throws a ConnectionFault for one that was never opened. */
  known(id: number, frameName: string): Http2Stream | undefined {
    if (id === 0 || id > this.lastId) {
      throw new ConnectionFault(ErrorCode.protocol, `${frameName} on an idle stream`);
    }
    return this.#open.get(id);
  }

  wasReset(id: number): boolean {
    return this.#resetIds.has(id);
  }

  /** The handler of a stream settled. */
  settled(stream: Http2Stream): void {
    stream.isRunning = false;
    if (stream.isClosed) {
      this.#orphans -= 1;
    }
  }

  /** Our last frame of a stream is written. */
  answered(stream: Http2Stream): void {
    if (!stream.isRemoteClosed) {
      // The caller may stop sending what nobody will read (RFC 9113, section 8.1).
      this.#reset(stream.id, ErrorCode.none);
    }
    this.#frameBudget.callFinished();
    this.remove(stream);
  }

  /** Resets a stream because of what its caller did, open or not. Throws a ConnectionFault where that happens too often. */
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
