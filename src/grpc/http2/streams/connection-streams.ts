/**
 * The streams of one connection: HEADERS, DATA, RST_STREAM and WINDOW_UPDATE, and how calls begin and end on them.
 *
 * Promises:
 *   1. Every header block is decoded, also of streams that are refused: the HPACK table must follow the peer's.
 *   2. What a caller does wrong on one stream ends that stream; only what breaks the connection throws a ConnectionFault.
 *   3. Each call is answered once, and nothing is sent for a stream that has ended.
 */
import type { Clock } from '../../../lib/clock.ts';
import { deadlineOverBeforeStart, deadlineOverInHandler } from '../../deadline-errors.ts';
import { stopping } from '../../transport/refusals.ts';
import type { RequestMessage } from '../../transport/request-message.ts';
import type { TransportLog } from '../../transport/transport.ts';
import { answerError, type CallHost, startBidi, startWithMessage } from '../calls/call-runner.ts';
import { CallTimes } from '../calls/call-times.ts';
import type { HeaderCache } from '../calls/header-cache.ts';
import { type BodyHost, type BodyPiece, endSingle, readMany, readSingle } from '../calls/request-body.ts';
import { areTrailersValid, deadlineOf, type RequestHeaders } from '../calls/request-headers.ts';
import { paddingBytes } from '../frames/header-blocks.ts';
import { ConnectionFault, ErrorCode, Flag, MAX_WINDOW_BYTES } from '../frames/protocol.ts';
import { type FrameBudget, REFUSED_COST, TOO_LARGE_BYTES_PER_POINT } from '../limits/frame-budget.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { Sender } from './sender.ts';
import { Http2Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/** What an open call holds besides its message: a thousand bytes of objects, and a header list such as calls have. */
export const OPEN_CALL_BYTES = 2_048;

/** The parts of a connection that its streams work with. */
export interface StreamsParts {
  readonly limits: Http2Limits;
  readonly clock: Clock;
  readonly log: TransportLog;
  readonly defaultDeadlineMs: number;
  readonly sender: Sender;
  readonly receiveWindow: ReceiveWindow;
  readonly frameBudget: FrameBudget;
  readonly heads: HeaderCache;
  /** A call with this deadline is under way. */
  readonly watchDeadline: (deadlineAtMs: number) => void;
  /** The last stream has ended. */
  readonly emptied: () => void;
}

export class ConnectionStreams implements BodyHost, CallHost {
  readonly limits: Http2Limits;
  readonly log: TransportLog;
  readonly receiveWindow: ReceiveWindow;
  readonly sender: Sender;
  readonly table = new StreamTable();
  readonly #parts: StreamsParts;
  readonly #frameBudget: FrameBudget;
  readonly #times: CallTimes;
  #isStopping = false;
  #turn = 0;
  #turnMs = 0;

  constructor(parts: StreamsParts) {
    this.limits = parts.limits;
    this.log = parts.log;
    this.receiveWindow = parts.receiveWindow;
    this.#parts = parts;
    this.sender = parts.sender;
    this.#frameBudget = parts.frameBudget;
    this.#times = new CallTimes({ table: this.table, limits: parts.limits, watchDeadline: parts.watchDeadline });
  }

  /** A chunk of the peer's bytes is read from here on. */
  beginTurn(): void {
    this.#turn += 1;
    this.#turnMs = this.#parts.clock.monotonicMs();
  }

  /** A whole header block: it opens a stream, or holds the trailers of one. */
  block(id: number, isLast: boolean, block: Buffer, start: number, end: number): void {
    const { table } = this;
    if (id > table.lastId) {
      table.lastId = id;
      const head = this.#parts.heads.read(block, start, end);
      if (head.isTooLarge) {
        this.#frameBudget.spend(Math.ceil((end - start) / TOO_LARGE_BYTES_PER_POINT));
      }
      this.#open(id, isLast, head);
      return;
    }
    const fields = this.#parts.heads.readFields(block, start, end);
    const stream = table.get(id);
    if (stream === undefined) {
      this.#frameBudget.spend(1);
      if (!table.wasReset(id)) {
        const code = id === table.lastId ? ErrorCode.streamClosed : ErrorCode.protocol;
        throw new ConnectionFault(code, 'HEADERS on a closed stream');
      }
    } else if (stream.isRemoteClosed) {
      this.#reset(stream, ErrorCode.streamClosed);
    } else if (!isLast || !areTrailersValid(fields)) {
      this.#reset(stream, ErrorCode.protocol);
    } else {
      this.#remoteEnded(stream);
    }
  }

  data(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'DATA on stream 0');
    }
    const countedBytes = end - start;
    this.receiveWindow.count(countedBytes);
    let first = start;
    let last = end;
    if ((flags & Flag.padded) !== 0) {
      last -= paddingBytes(bytes, start, end);
      first += 1;
    }
    const stream = this.table.get(id);
    if (stream === undefined) {
      this.#dataOfNoStream(id);
      return;
    }
    const isLast = (flags & Flag.endStream) !== 0;
    if (this.#isDataWrong(stream, countedBytes, last - first)) {
      return;
    }
    if (first === last && !isLast) {
      this.#frameBudget.spend(1);
    }
    this.#readBody(stream, { bytes, start: first, end: last, countedBytes, isLast });
    if (!isLast) {
      this.#times.watch(stream);
    } else if (!stream.isClosed) {
      this.#remoteEnded(stream);
    }
  }

  windowUpdate(id: number, grownBytes: number): void {
    const stream = this.table.known(id, 'WINDOW_UPDATE');
    if (stream === undefined) {
      return;
    }
    stream.sendWindowBytes += grownBytes;
    if (grownBytes === 0) {
      this.#reset(stream, ErrorCode.protocol);
    } else if (stream.sendWindowBytes > MAX_WINDOW_BYTES) {
      this.#reset(stream, ErrorCode.flowControl);
    } else if (stream.queuedBytes > 0) {
      this.sender.pump(stream);
    }
  }

  cancelled(id: number): void {
    const stream = this.table.known(id, 'RST_STREAM');
    if (stream === undefined) {
      this.#frameBudget.spend(1);
      return;
    }
    // A caller that gives up after a while is normal, one that opens and resets in one breath is not (CVE-2023-44487).
    if (this.#turn - stream.bornTurn <= 1) {
      this.#frameBudget.spend(1);
    }
    this.#drop(stream);
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE changed: it changes the windows of all streams (RFC 9113, section 6.9.2). */
  streamWindowChanged(bytes: number): void {
    const change = bytes - this.sender.streamWindowBytes;
    this.sender.streamWindowBytes = bytes;
    for (const stream of this.table.values()) {
      stream.sendWindowBytes += change;
      if (stream.sendWindowBytes > MAX_WINDOW_BYTES) {
        throw new ConnectionFault(
          ErrorCode.flowControl,
          'SETTINGS_INITIAL_WINDOW_SIZE makes a window larger than 2^31',
        );
      }
    }
  }

  /** Windows may have grown: sends what they allow now. */
  pumpAll(): void {
    for (const stream of [...this.table.values()]) {
      if (stream.queuedBytes > 0) {
        this.sender.pump(stream);
      }
    }
  }

  /** Ends the streams that live for hours; those that come later end as soon as they begin. */
  endStreaming(): void {
    this.#isStopping = true;
    for (const stream of [...this.table.values()]) {
      if (stream.streaming !== undefined && stream.endBlock === undefined) {
        this.failCall(stream, stopping());
      }
    }
  }

  /** The connection is gone. */
  cancelAll(): void {
    for (const stream of [...this.table.values()]) {
      this.#drop(stream);
    }
  }

  /** Ends the calls whose deadline is over; returns the next deadline, Infinity where there is none. */
  expire(nowMs: number): number {
    const error = (stream: Http2Stream) => (stream.isRunning ? deadlineOverInHandler() : deadlineOverBeforeStart());
    return this.#times.expire(nowMs, (stream) => this.failCall(stream, error(stream)));
  }

  /** Once a second: ends calls whose peer neither sends nor takes. */
  sweep(): void {
    this.#times.sweep(this.sender.sweep(), (stream) => this.#reset(stream, ErrorCode.cancel));
  }

  startCall(stream: Http2Stream, message: RequestMessage): void {
    if (stream.contentLengthLeft > 0) {
      this.#reset(stream, ErrorCode.protocol);
    } else if (this.sender.hasTooMuchWaiting()) {
      // Asked here too: many calls may have been open when the first answer began to wait.
      this.#reset(stream, ErrorCode.refusedStream);
    } else if (this.#isStopping && stream.head.method?.kind !== 'unary') {
      this.failCall(stream, stopping());
    } else {
      startWithMessage(this, stream, message);
    }
  }

  /** Ends a call whatever its handler does. */
  failCall(stream: Http2Stream, error: unknown): void {
    this.sender.cutShort(stream);
    stream.cancel();
    answerError(this, stream, error);
  }

  running(stream: Http2Stream): void {
    stream.isRunning = true;
    this.#times.watch(stream);
  }

  settled(stream: Http2Stream): void {
    this.table.settled(stream);
  }

  /** Our last frame of a stream is written. */
  streamEnded(stream: Http2Stream): void {
    if (!stream.isRemoteClosed) {
      // The caller may stop sending what nobody will read (RFC 9113, section 8.1).
      this.sender.reset(stream.id, ErrorCode.none);
      this.table.rememberReset(stream.id);
    }
    this.#frameBudget.callFinished();
    this.#remove(stream);
  }

  #open(id: number, isLast: boolean, head: RequestHeaders): void {
    const { limits, table } = this;
    const isBusy = table.busy >= limits.maxStreamsPerConnection || this.sender.hasTooMuchWaiting();
    if (id > table.maxAcceptedId || head.verdict === 'malformed' || isBusy) {
      const isMalformed = id <= table.maxAcceptedId && head.verdict === 'malformed';
      this.#refuse(id, isMalformed ? ErrorCode.protocol : ErrorCode.refusedStream);
      return;
    }
    const stream = new Http2Stream({
      id,
      head,
      deadlineAtMs: deadlineOf(head, this.#turnMs, this.#parts.defaultDeadlineMs),
      receiveWindowBytes: limits.streamWindowBytes,
      sendWindowBytes: this.sender.streamWindowBytes,
      sweep: this.#times.sweeps,
      turn: this.#turn,
    });
    table.add(stream);
    if (!this.#holdOpen(stream, isLast)) {
      return;
    }
    if (head.verdict === 'call' && head.refusal !== undefined) {
      stream.isRemoteClosed = isLast;
      this.failCall(stream, head.refusal);
      return;
    }
    if (head.verdict === 'call' && head.method?.kind === 'bidi_stream') {
      this.#startBidi(stream);
    }
    if (isLast && !stream.isClosed) {
      this.#remoteEnded(stream);
    }
  }

  /** A call counts as long as it is there, with a header list that is large. False where it was one too many. */
  #holdOpen(stream: Http2Stream, isLast: boolean): boolean {
    stream.openHeldBytes = Math.max(OPEN_CALL_BYTES, stream.head.listBytes);
    try {
      this.receiveWindow.hold(stream, stream.openHeldBytes);
    } catch (error) {
      stream.isRemoteClosed = isLast;
      this.failCall(stream, error);
      return false;
    }
    return true;
  }

  #startBidi(stream: Http2Stream): void {
    if (this.#isStopping) {
      this.failCall(stream, stopping());
    } else {
      startBidi(this, stream);
    }
  }

  #dataOfNoStream(id: number): void {
    if (id > this.table.lastId) {
      throw new ConnectionFault(ErrorCode.protocol, 'DATA on an idle stream');
    }
    if (this.table.wasReset(id)) {
      this.#frameBudget.spend(1);
    } else {
      this.#refuse(id, ErrorCode.streamClosed);
    }
  }

  /** Resets a stream whose DATA breaks a rule. */
  #isDataWrong(stream: Http2Stream, countedBytes: number, dataBytes: number): boolean {
    if (stream.isRemoteClosed) {
      this.#reset(stream, ErrorCode.streamClosed);
      return true;
    }
    stream.receiveWindowBytes -= countedBytes;
    if (stream.receiveWindowBytes < 0) {
      this.#reset(stream, ErrorCode.flowControl);
      return true;
    }
    if (stream.contentLengthLeft >= 0) {
      stream.contentLengthLeft -= dataBytes;
      if (stream.contentLengthLeft < 0) {
        this.#reset(stream, ErrorCode.protocol);
        return true;
      }
    }
    return false;
  }

  #readBody(stream: Http2Stream, piece: BodyPiece): void {
    if (stream.isCancelled) {
      return; // It was answered, and only the rest of that answer is still to be sent.
    }
    if (stream.head.verdict === 'http') {
      this.receiveWindow.giveStream(stream, piece.countedBytes);
    } else if (stream.streaming !== undefined) {
      readMany(this, stream, piece);
    } else {
      readSingle(this, stream, piece);
    }
  }

  #remoteEnded(stream: Http2Stream): void {
    const hasStarted = stream.isRemoteClosed;
    stream.isRemoteClosed = true;
    stream.streaming?.requestsEnded();
    if (stream.contentLengthLeft > 0) {
      this.#reset(stream, ErrorCode.protocol);
    } else if (stream.head.verdict === 'http') {
      this.sender.plain(stream);
    } else if (!hasStarted && stream.streaming === undefined) {
      endSingle(this, stream);
    }
  }

  /** The caller broke a rule of the stream, or took too long. */
  #reset(stream: Http2Stream, code: ErrorCode): void {
    this.#drop(stream);
    this.#refuse(stream.id, code);
  }

  #refuse(id: number, code: ErrorCode): void {
    this.sender.reset(id, code);
    this.table.rememberReset(id);
    this.#frameBudget.spend(REFUSED_COST);
  }

  #drop(stream: Http2Stream): void {
    this.sender.forget(stream);
    stream.cancel();
    this.#remove(stream);
  }

  #remove(stream: Http2Stream): void {
    if (!this.table.remove(stream)) {
      return;
    }
    if (stream.heldBytes > 0) {
      this.receiveWindow.release(stream, stream.heldBytes);
    }
    stream.close();
    if (this.table.size === 0) {
      this.#parts.emptied();
    }
  }
}
