/**
 * Sends the responses of a connection within the peer's flow-control windows.
 *
 * A small unary response is assembled in the outbox from ready-made frames and its message. A response that does not
 * fit into the windows is queued in its stream until the windows grow. A stream that waits only for the connection's
 * window or for the socket is also in #pending. The sender serves these pending streams in turn and sends one frame of
 * each.
 */
import { expectedErrorStatus } from '../../error-status.ts';
import { bufferedMemory } from '../../transport/buffered-memory.ts';
import { answersNotTaken, HTTP_TEXTS } from '../../transport/refusals.ts';
import type { FrameBudget } from '../frames/frame-budget.ts';
import { putBytes, putFrameHeader, putReadyFrame, readyFrame } from '../frames/frame-writer.ts';
import type { Outbox } from '../frames/outbox.ts';
import {
  DEFAULT_WINDOW_BYTES,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
} from '../frames/protocol.ts';
import { EMPTY_TABLE, encodeFields } from '../hpack/encoder.ts';
import type { ConnectionBudget } from '../limits/global-budget.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import { PREFIX_BYTES, putMessagePrefix } from '../messages/message-prefix.ts';
import { type FinalStatus, OK_BLOCK, OPENING_BLOCK, trailersBlock } from '../messages/trailers.ts';
import type { Http2Stream } from './stream.ts';
import type { StreamTable } from './stream-table.ts';

const OPENING_FRAME = readyFrame(FrameType.headers, Flag.endHeaders, OPENING_BLOCK);
const OK_FRAME = readyFrame(FrameType.headers, Flag.endHeaders | Flag.endStream, OK_BLOCK);
const AROUND_MESSAGE_BYTES = OPENING_FRAME.length + FRAME_HEADER_BYTES + PREFIX_BYTES + OK_FRAME.length;
/**
 * Size below which a DATA frame counts as small. A small frame while more DATA is queued indicates that the peer opens
 * its window by only a few bytes at a time.
 */
const SMALL_PIECE_BYTES = 256;
/** Maximum size of a peer's HPACK dynamic table until its SETTINGS change the size. */
const DEFAULT_TABLE_BYTES = 4_096;

export class Sender {
  /** Value of the peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  streamWindowBytes = DEFAULT_WINDOW_BYTES;
  readonly #outbox: Outbox;
  readonly #table: StreamTable;
  readonly #frameBudget: FrameBudget;
  readonly #budget: ConnectionBudget;
  readonly #limits: Http2Limits;
  /** Streams that wait only for the connection's window or the socket. */
  readonly #pending = new Set<Http2Stream>();
  #windowBytes = DEFAULT_WINDOW_BYTES;
  /** Queued DATA bytes of all streams. */
  #queuedBytes = 0;
  /** Queued DATA bytes that have been sent since the last sweep. */
  #takenBytes = 0;
  #isTableUpdateDue = false;

  constructor(parts: {
    outbox: Outbox;
    table: StreamTable;
    frameBudget: FrameBudget;
    budget: ConnectionBudget;
    limits: Http2Limits;
  }) {
    this.#outbox = parts.outbox;
    this.#table = parts.table;
    this.#frameBudget = parts.frameBudget;
    this.#budget = parts.budget;
    this.#limits = parts.limits;
  }

  /**
   * Returns whether new calls must be refused. They are refused if the buffered responses of this connection exceed its
   * limit. They are also refused if the buffered responses of all connections exceed the global budget and this
   * connection uses more than its quota.
   */
  hasTooMuchQueued(): boolean {
    return this.#queuedBytes > this.#limits.maxBufferedAnswerBytesPerConnection || this.#budget.isOver();
  }

  /** Returns whether a streaming handler must wait before it sends more messages. */
  isFull(stream: Http2Stream): boolean {
    const { queuedBytes } = stream;
    // While the connection has too much DATA queued, a handler waits as long as its own stream has any bytes queued. A
    // handler with an empty queue must not wait, because nothing would resume it.
    const isMuch =
      queuedBytes > this.#limits.maxBufferedAnswerBytesPerStream || (queuedBytes > 0 && this.hasTooMuchQueued());
    return isMuch && !stream.isOver();
  }

  /** Sends the response of a successful unary call. */
  answer(stream: Http2Stream, message: Buffer): void {
    const bytes = message.length + PREFIX_BYTES;
    const isPlain =
      bytes <= this.#windowBytes &&
      bytes <= stream.sendWindowBytes &&
      bytes <= MAX_FRAME_BYTES &&
      stream.headersBlock === undefined &&
      stream.trailersBlock === undefined &&
      !this.#isTableUpdateDue &&
      !this.#outbox.isCongested;
    if (this.#hasFarTooMuchQueued()) {
      this.error(stream, expectedErrorStatus(answersNotTaken()));
      return;
    }
    if (!isPlain) {
      this.#enqueueMessage(stream, message);
      this.ok(stream);
      return;
    }
    this.#windowBytes -= bytes;
    const total = AROUND_MESSAGE_BYTES + message.length;
    const buffer = this.#outbox.reserve(total);
    let at = this.#outbox.end - total;
    at = putReadyFrame(buffer, at, OPENING_FRAME, stream.id);
    at = putFrameHeader(buffer, at, bytes, FrameType.data, Flag.none, stream.id);
    at = putMessagePrefix(buffer, at, message.length);
    at = putBytes(buffer, at, message);
    putReadyFrame(buffer, at, OK_FRAME, stream.id);
    stream.areHeadersSent = true;
    this.#frameBudget.dataSent();
    this.#table.answered(stream);
  }

  /** Sends one message of a streaming call. Ends the call if its connection has far too much DATA queued. */
  message(stream: Http2Stream, message: Buffer): void {
    if (this.#hasFarTooMuchQueued()) {
      this.fail(stream, expectedErrorStatus(answersNotTaken()));
      return;
    }
    this.#enqueueMessage(stream, message);
  }

  ok(stream: Http2Stream): void {
    this.#open(stream);
    stream.endBlock = withMetadata(OK_BLOCK, stream.trailersBlock);
    this.pump(stream);
  }

  /** Ends a call with an error. If no message was sent before, the response is one header block (Trailers-Only). */
  error(stream: Http2Stream, status: FinalStatus): void {
    const block = withMetadata(trailersBlock(status), stream.trailersBlock);
    stream.endBlock = stream.areHeadersSent ? block : Buffer.concat([OPENING_BLOCK, block]);
    stream.areHeadersSent = true;
    this.pump(stream);
  }

  /**
   * Ends a call with an error while its handler may still run. The rest of a partly sent message is still sent, but all
   * other queued messages are dropped.
   */
  fail(stream: Http2Stream, status: FinalStatus): void {
    this.#queueGrew(-stream.dropQueue({ keepStarted: true }));
    stream.cancel();
    this.error(stream, status);
  }

  /** Sends an HTTP error in response to a request that is not gRPC. */
  plain(stream: Http2Stream): void {
    const status = stream.request.httpStatus;
    const body = Buffer.from(HTTP_TEXTS[status]);
    const fields = [
      [':status', status],
      ['content-type', 'text/plain'],
      ['content-length', String(body.length)],
    ] as const;
    stream.areHeadersSent = true;
    if (stream.request.isHeadRequest) {
      stream.endBlock = encodeFields(fields);
    } else {
      this.#headers(stream, encodeFields(fields), false);
      this.#enqueue(stream, body);
      stream.endBlock = null;
    }
    this.pump(stream);
  }

  /**
   * Returns whether the peer reads queued DATA fast enough to receive all of it in time. Must be called once a second.
   * The result is true while the socket is congested, because connection-lifetime.ts then measures the progress of the
   * socket.
   */
  sweep(): boolean {
    const takenBytes = this.#takenBytes;
    this.#takenBytes = 0;
    const { slowReaderBytesPerSecond, maxBacklogMs } = this.#limits;
    const expectedBytes = Math.max(slowReaderBytesPerSecond, (this.#queuedBytes * 1_000) / maxBacklogMs);
    return this.#outbox.isCongested || takenBytes >= expectedBytes;
  }

  /**
   * Sends queued DATA of a stream as far as the windows allow. Once the queue is empty, sends the trailers of the
   * stream.
   */
  pump(stream: Http2Stream): void {
    while (stream.queuedBytes > 0) {
      if (stream.sendWindowBytes <= 0) {
        return;
      }
      if (this.#windowBytes <= 0 || this.#outbox.isCongested) {
        this.#pending.add(stream);
        return;
      }
      this.#sendPiece(stream);
    }
    if (stream.endBlock === undefined) {
      return;
    }
    // The stream may still be in #pending, and must not remain there after it has ended.
    this.#pending.delete(stream);
    if (stream.endBlock !== null) {
      this.#headers(stream, stream.endBlock, true);
    }
    this.#table.answered(stream);
  }

  /** Sends DATA of the pending streams, one frame of each in turn. */
  pumpPending(): void {
    // A Set iterates in insertion order, so a stream that is added again gets its turn after the others.
    for (const stream of this.#pending) {
      if (this.#windowBytes <= 0 || this.#outbox.isCongested) {
        return;
      }
      this.#pending.delete(stream);
      if (stream.queuedBytes > 0 && stream.sendWindowBytes > 0) {
        this.#sendPiece(stream);
      }
      if (stream.queuedBytes > 0 && stream.sendWindowBytes > 0) {
        this.#pending.add(stream);
      } else {
        this.pump(stream);
      }
    }
  }

  /** Closes a stream and drops its queued DATA, without sending a frame. */
  drop(stream: Http2Stream): void {
    this.#pending.delete(stream);
    this.#queueGrew(-stream.dropQueue({ keepStarted: false }));
    stream.cancel();
    this.#table.remove(stream);
  }

  /** Enlarges the connection's window. Returns false if the window exceeds the maximum size. */
  grow(bytes: number): boolean {
    this.#windowBytes += bytes;
    return this.#windowBytes <= MAX_WINDOW_BYTES;
  }

  /**
   * Records a new SETTINGS_HEADER_TABLE_SIZE. An encoder must acknowledge a smaller size with a dynamic table size
   * update (RFC 7541, section 4.2).
   */
  tableLimitChanged(bytes: number): void {
    if (bytes < DEFAULT_TABLE_BYTES) {
      this.#isTableUpdateDue = true;
    }
  }

  /**
   * Returns whether calls in flight must end, because the server buffers far too many responses. The responses of calls
   * that started earlier may together use up to twice the limit of the connection, within the global limit.
   */
  #hasFarTooMuchQueued(): boolean {
    return this.#queuedBytes > 2 * this.#limits.maxBufferedAnswerBytesPerConnection || this.#budget.isOver();
  }

  #open(stream: Http2Stream): void {
    if (!stream.areHeadersSent) {
      stream.areHeadersSent = true;
      this.#headers(stream, withMetadata(OPENING_BLOCK, stream.headersBlock), false);
    }
  }

  #headers(stream: Http2Stream, fields: Buffer, isLast: boolean): void {
    let block = fields;
    if (this.#isTableUpdateDue) {
      this.#isTableUpdateDue = false;
      block = Buffer.concat([EMPTY_TABLE, fields]);
    }
    // The block always fits into one frame, because the code that creates status messages and metadata limits their
    // size.
    const flags = isLast ? Flag.endHeaders | Flag.endStream : Flag.endHeaders;
    this.#outbox.frame(FrameType.headers, flags, stream.id, block);
  }

  #enqueueMessage(stream: Http2Stream, message: Buffer): void {
    this.#open(stream);
    const piece = bufferedMemory(PREFIX_BYTES + message.length);
    piece.set(message, putMessagePrefix(piece, 0, message.length));
    this.#enqueue(stream, piece);
    this.pump(stream);
  }

  #enqueue(stream: Http2Stream, piece: Buffer): void {
    stream.enqueue(piece);
    this.#queueGrew(piece.length);
  }

  #queueGrew(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#budget.add(bytes);
  }

  #sendPiece(stream: Http2Stream): void {
    const first = stream.sendQueue[0] as Buffer;
    const leftBytes = first.length - stream.sentOfFirstBytes;
    const bytes = Math.min(leftBytes, this.#windowBytes, stream.sendWindowBytes, MAX_FRAME_BYTES);
    const isLast = stream.endBlock === null && bytes === stream.queuedBytes;
    const isWhole = bytes === first.length;
    const piece = isWhole ? first : first.subarray(stream.sentOfFirstBytes, stream.sentOfFirstBytes + bytes);
    this.#outbox.frame(FrameType.data, isLast ? Flag.endStream : Flag.none, stream.id, piece);
    this.#windowBytes -= bytes;
    this.#queueGrew(-bytes);
    stream.sendWindowBytes -= bytes;
    stream.queuedBytes -= bytes;
    stream.sentOfFirstBytes += bytes;
    stream.sentBytes += bytes;
    this.#takenBytes += bytes;
    if (bytes === leftBytes) {
      stream.sendQueue.shift();
      stream.sentOfFirstBytes = 0;
      this.#frameBudget.dataSent();
    } else if (bytes < SMALL_PIECE_BYTES) {
      this.#frameBudget.smallPieceSent();
    } else {
      this.#frameBudget.dataSent();
    }
    if (stream.streaming?.isWriterWaiting === true && !this.isFull(stream)) {
      stream.streaming.wakeWriter();
    }
  }
}

function withMetadata(block: Buffer, metadata: Buffer | undefined): Buffer {
  return metadata === undefined ? block : Buffer.concat([block, metadata]);
}
