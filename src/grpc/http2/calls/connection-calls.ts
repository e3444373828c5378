/**
 * Handles the frames of streams (HEADERS, DATA, RST_STREAM, WINDOW_UPDATE), and starts and ends the calls of one
 * connection.
 *
 * Invariants:
 *   1. The server decodes every header block, including the blocks of refused streams, because its HPACK dynamic table
 *      must stay equal to the peer's table.
 *   2. A stream error ends only the stream on which the error occurred. The methods throw a ConnectionFault only for a
 *      connection error.
 *   3. Each call gets at most one final status, and the server sends no part of a response on a stream that has ended.
 */
import type { Clock } from '../../../lib/clock.ts';
import { deadlineOverBeforeStart, deadlineOverInHandler } from '../../deadline-errors.ts';
import { StatusError } from '../../status.ts';
import { stopping } from '../../transport/refusals.ts';
import type { RequestMessage } from '../../transport/request-message.ts';
import type { TransportLog } from '../../transport/transport.ts';
import { type FrameBudget, TOO_LARGE_BYTES_PER_POINT } from '../frames/frame-budget.ts';
import type { Frame } from '../frames/frame-reader.ts';
import { skipPadding } from '../frames/header-blocks.ts';
import { ConnectionFault, ErrorCode, MAX_WINDOW_BYTES } from '../frames/protocol.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import { HeaderCache } from '../messages/header-cache.ts';
import { areTrailersValid, deadlineOf, type HeaderRules, type RequestHeaders } from '../messages/request-headers.ts';
import type { ReceiveWindow } from '../streams/receive-window.ts';
import type { Sender } from '../streams/sender.ts';
import { Http2Stream } from '../streams/stream.ts';
import type { StreamTable } from '../streams/stream-table.ts';
import { CallRunner } from './call-runner.ts';
import { CallTimes } from './call-times.ts';
import type { DeadlineWatch } from './deadline-watch.ts';
import { RequestBody } from './request-body.ts';

/**
 * Bytes of the request budget that an open call uses in addition to its message. These bytes cover about 1,000 bytes of
 * objects and a header list of typical size.
 */
export const OPEN_CALL_BYTES = 2_048;

/** Dependencies that the calls of all connections share. */
export interface SharedCallParts {
  readonly rules: HeaderRules;
  readonly limits: Http2Limits;
  readonly clock: Clock;
  readonly log: TransportLog;
  readonly defaultDeadlineMs: number;
  readonly deadlines: DeadlineWatch;
}

/** Parts of the connection that its calls use. */
export interface ConnectionCallParts {
  readonly table: StreamTable;
  readonly sender: Sender;
  readonly receiveWindow: ReceiveWindow;
  readonly frameBudget: FrameBudget;
}

export class ConnectionCalls {
  readonly #limits: Http2Limits;
  readonly #clock: Clock;
  readonly #defaultDeadlineMs: number;
  readonly #table: StreamTable;
  readonly #sender: Sender;
  readonly #receiveWindow: ReceiveWindow;
  readonly #frameBudget: FrameBudget;
  readonly #headerCache: HeaderCache;
  readonly #times: CallTimes;
  readonly #body: RequestBody;
  readonly #runner: CallRunner;
  #isStopping = false;
  #turn = 0;
  #turnMs = 0;

  constructor(shared: SharedCallParts, parts: ConnectionCallParts) {
    const { limits, deadlines, log } = shared;
    const { table, sender, receiveWindow } = parts;
    this.#limits = limits;
    this.#clock = shared.clock;
    this.#defaultDeadlineMs = shared.defaultDeadlineMs;
    this.#table = table;
    this.#sender = sender;
    this.#receiveWindow = receiveWindow;
    this.#frameBudget = parts.frameBudget;
    this.#headerCache = new HeaderCache({ ...shared.rules, hpackTableBytes: limits.hpackTableBytes });
    this.#times = new CallTimes({ table, limits, deadlines });
    this.#body = new RequestBody(limits, receiveWindow);
    this.#runner = new CallRunner({ log, table, times: this.#times, sender, receiveWindow });
  }

  /** Records that a new chunk of input has arrived, and the current time. */
  beginTurn(): void {
    this.#turn += 1;
    this.#turnMs = this.#clock.monotonicMs();
  }

  /** Handles HEADERS with a complete header block: opens a stream, or reads the trailers of an open stream. */
  headers(frame: Frame): void {
    const { streamId, bytes, start, end, isLast } = frame;
    if (streamId > this.#table.lastId) {
      this.#table.lastId = streamId;
      const request = this.#headerCache.read(bytes, start, end);
      if (request.isTooLarge) {
        this.#frameBudget.consume(Math.ceil((end - start) / TOO_LARGE_BYTES_PER_POINT));
      }
      this.#open(streamId, isLast, request);
      return;
    }
    const fields = this.#headerCache.readFields(bytes, start, end);
    const stream = this.#table.get(streamId);
    if (stream === undefined) {
      this.#frameBudget.consume(1);
      if (!this.#table.wasReset(streamId)) {
        const code = streamId === this.#table.lastId ? ErrorCode.streamClosed : ErrorCode.protocol;
        throw new ConnectionFault(code, 'HEADERS received on a closed stream');
      }
    } else if (stream.isRemoteClosed) {
      this.#reset(stream, ErrorCode.streamClosed);
    } else if (!isLast || !areTrailersValid(fields)) {
      this.#reset(stream, ErrorCode.protocol);
    } else {
      this.#remoteEnded(stream);
    }
  }

  data(frame: Frame): void {
    const { streamId, isLast } = frame;
    if (streamId === 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'DATA received on stream 0');
    }
    const countedBytes = frame.payloadBytes;
    this.#receiveWindow.count(countedBytes);
    skipPadding(frame);
    const stream = this.#table.get(streamId);
    if (stream === undefined) {
      this.#dataOfNoStream(streamId);
      return;
    }
    if (this.#isDataWrong(stream, countedBytes, frame.payloadBytes)) {
      return;
    }
    if (frame.payloadBytes === 0 && !isLast) {
      this.#frameBudget.consume(1);
    }
    this.#readBody(stream, frame, countedBytes);
    if (!isLast) {
      this.#times.watch(stream);
    } else if (!stream.isClosed) {
      this.#remoteEnded(stream);
    }
  }

  windowUpdate(streamId: number, grownBytes: number): void {
    const stream = this.#table.known(streamId, 'WINDOW_UPDATE');
    if (stream === undefined) {
      return;
    }
    stream.sendWindowBytes += grownBytes;
    if (grownBytes === 0) {
      this.#reset(stream, ErrorCode.protocol);
    } else if (stream.sendWindowBytes > MAX_WINDOW_BYTES) {
      this.#reset(stream, ErrorCode.flowControl);
    } else if (stream.queuedBytes > 0) {
      this.#sender.pump(stream);
    }
  }

  /** Handles RST_STREAM. */
  cancelled(streamId: number): void {
    const stream = this.#table.known(streamId, 'RST_STREAM');
    if (stream === undefined) {
      this.#frameBudget.consume(1);
      return;
    }
    // Clients normally cancel only calls that have run for a while. A reset that arrives immediately after the HEADERS
    // of the call is a sign of an attack (CVE-2023-44487).
    if (this.#turn - stream.bornTurn <= 1) {
      this.#frameBudget.consume(1);
    }
    this.#sender.drop(stream);
  }

  /**
   * Applies a new SETTINGS_INITIAL_WINDOW_SIZE, which changes the windows of all open streams (RFC 9113, section
   * 6.9.2).
   */
  streamWindowChanged(bytes: number): void {
    const change = bytes - this.#sender.streamWindowBytes;
    this.#sender.streamWindowBytes = bytes;
    for (const stream of this.#table.values()) {
      stream.sendWindowBytes += change;
      if (stream.sendWindowBytes > MAX_WINDOW_BYTES) {
        const text = 'SETTINGS_INITIAL_WINDOW_SIZE must not raise a window above 2^31-1 bytes';
        throw new ConnectionFault(ErrorCode.flowControl, text);
      }
    }
  }

  /** Sends queued DATA of all streams as far as the windows allow. */
  pumpAll(): void {
    for (const stream of [...this.#table.values()]) {
      if (stream.queuedBytes > 0) {
        this.#sender.pump(stream);
      }
    }
  }

  /**
   * Ends all streaming calls, which may otherwise run for hours. Streaming calls that arrive later end immediately with
   * the same error.
   */
  endStreaming(): void {
    this.#isStopping = true;
    for (const stream of [...this.#table.values()]) {
      if (stream.streaming !== undefined && stream.endBlock === undefined) {
        this.#runner.fail(stream, stopping());
      }
    }
  }

  /** Cancels all calls, because the connection has closed. */
  cancelAll(): void {
    for (const stream of [...this.#table.values()]) {
      this.#sender.drop(stream);
    }
  }

  /** Ends the calls whose deadlines have passed, and returns the next deadline, or Infinity if there is none. */
  expire(nowMs: number): number {
    for (const stream of this.#times.expired(nowMs)) {
      if (stream.endBlock === undefined && !stream.isClosed) {
        this.#runner.fail(stream, stream.isRunning ? deadlineOverInHandler() : deadlineOverBeforeStart());
      }
    }
    return this.#times.nextDeadlineMs;
  }

  /**
   * Resets the calls whose peer has stopped sending the request or reading the response. Must be called once a second.
   */
  sweep(): void {
    for (const stream of this.#times.sweep(this.#sender.sweep())) {
      if (!stream.isClosed) {
        this.#reset(stream, ErrorCode.cancel);
      }
    }
  }

  #open(id: number, isLast: boolean, request: RequestHeaders): void {
    const table = this.#table;
    const isMalformed = request.verdict === 'malformed';
    const isBusy = table.busy >= this.#limits.maxStreamsPerConnection || this.#sender.hasTooMuchQueued();
    if (id > table.maxAcceptedId || isMalformed || isBusy) {
      const isOurFault = id > table.maxAcceptedId || !isMalformed;
      table.refuse(id, isOurFault ? ErrorCode.refusedStream : ErrorCode.protocol);
      return;
    }
    const stream = new Http2Stream({
      id,
      request,
      deadlineAtMs: deadlineOf(request, this.#turnMs, this.#defaultDeadlineMs),
      receiveWindowBytes: this.#limits.streamWindowBytes,
      sendWindowBytes: this.#sender.streamWindowBytes,
      sweep: this.#times.sweeps,
      turn: this.#turn,
    });
    table.add(stream);
    const refusal = this.#reserveOpenCall(stream) ?? (request.verdict === 'call' ? request.refusal : undefined);
    if (refusal !== undefined) {
      stream.isRemoteClosed = isLast;
      this.#runner.fail(stream, refusal);
      return;
    }
    if (request.verdict === 'call' && request.method?.kind === 'bidi_stream') {
      this.#startBidi(stream);
    }
    if (isLast && !stream.isClosed) {
      this.#remoteEnded(stream);
    }
  }

  /**
   * Counts an open call against the request budget, including the full size of a large header list. Returns an error if
   * the budget is exceeded.
   */
  #reserveOpenCall(stream: Http2Stream): StatusError | undefined {
    stream.openCallBytes = Math.max(OPEN_CALL_BYTES, stream.request.listBytes);
    return this.#receiveWindow.reserve(stream, stream.openCallBytes);
  }

  #startBidi(stream: Http2Stream): void {
    if (this.#isStopping) {
      this.#runner.fail(stream, stopping());
    } else {
      this.#runner.startBidi(stream);
    }
  }

  #startWithMessage(stream: Http2Stream, message: RequestMessage): void {
    if (stream.contentLengthLeft > 0) {
      this.#reset(stream, ErrorCode.protocol);
    } else if (this.#sender.hasTooMuchQueued()) {
      // The call passed this check when its HEADERS arrived, but the server may have queued many responses since then.
      this.#reset(stream, ErrorCode.refusedStream);
    } else if (this.#isStopping && stream.request.method?.kind !== 'unary') {
      this.#runner.fail(stream, stopping());
    } else {
      this.#runner.startWithMessage(stream, message);
    }
  }

  #dataOfNoStream(streamId: number): void {
    if (streamId > this.#table.lastId) {
      throw new ConnectionFault(ErrorCode.protocol, 'DATA received on an idle stream');
    }
    if (this.#table.wasReset(streamId)) {
      this.#frameBudget.consume(1);
    } else {
      this.#table.refuse(streamId, ErrorCode.streamClosed);
    }
  }

  /** If a DATA frame violates the protocol, resets its stream and returns true. */
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

  #readBody(stream: Http2Stream, frame: Frame, countedBytes: number): void {
    if (stream.isCancelled) {
      // The call already has its final status, so the rest of its request is ignored.
      return;
    }
    if (stream.request.verdict === 'http') {
      this.#receiveWindow.giveStream(stream, countedBytes);
      return;
    }
    const isMany = stream.streaming !== undefined;
    const outcome = isMany
      ? this.#body.readMany(stream, frame, countedBytes)
      : this.#body.readSingle(stream, frame, countedBytes);
    if (outcome !== undefined) {
      stream.isRemoteClosed ||= frame.isLast;
      this.#bodyRead(stream, outcome);
    }
  }

  /** Starts the call with the complete message from its body, or ends the call with the error found in its body. */
  #bodyRead(stream: Http2Stream, outcome: RequestMessage | StatusError): void {
    if (outcome instanceof StatusError) {
      this.#runner.fail(stream, outcome);
    } else {
      this.#startWithMessage(stream, outcome);
    }
  }

  #remoteEnded(stream: Http2Stream): void {
    const hadEnded = stream.isRemoteClosed;
    stream.isRemoteClosed = true;
    stream.streaming?.wakeReader();
    if (stream.contentLengthLeft > 0) {
      this.#reset(stream, ErrorCode.protocol);
    } else if (stream.request.verdict === 'http') {
      this.#sender.plain(stream);
    } else if (!hadEnded && stream.streaming === undefined) {
      this.#bodyRead(stream, this.#body.end(stream));
    }
  }

  /** Resets a stream because of a stream error, a timeout or too many buffered responses. */
  #reset(stream: Http2Stream, code: ErrorCode): void {
    this.#sender.drop(stream);
    this.#table.refuse(stream.id, code);
  }
}
