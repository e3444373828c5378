/**
 * What a connection sends: answers within the peer's windows, and the frames that control it.
 *
 * A small unary answer is one copy of three ready frames. What does not fit is queued in its stream: until its own window grows, or in
 * #pending until the connection's window grows or the socket drains, where each stream has its turn, a frame at a time.
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
/** A DATA frame smaller than this, while more is queued, shows a peer that opens its window by a few bytes at a time. */
const SMALL_PIECE_BYTES = 256;
/** The size of a peer's table before its SETTINGS change it. */
const DEFAULT_TABLE_BYTES = 4_096;

export class Sender {
  /** The peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  streamWindowBytes = DEFAULT_WINDOW_BYTES;
  readonly #outbox: Outbox;
  readonly #table: StreamTable;
  readonly #frameBudget: FrameBudget;
  readonly #budget: ConnectionBudget;
  readonly #limits: Http2Limits;
  /** Streams that could send if the connection could. */
  readonly #pending = new Set<Http2Stream>();
  #windowBytes = DEFAULT_WINDOW_BYTES;
  /** DATA that is queued, over all streams. */
  #queuedBytes = 0;
  /** DATA that was queued and went out since the last sweep. */
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

  /** The peer does not take its answers: those of this connection, or all together where this one buffers more than its quota. */
  hasTooMuchQueued(): boolean {
    return this.#queuedBytes > this.#limits.maxBufferedAnswerBytesPerConnection || this.#budget.isOver();
  }

  /** Whether a streaming handler must wait before it sends more. */
  isFull(stream: Http2Stream): boolean {
    const { queuedBytes } = stream;
    // While the connection has too much, even a little is enough; with nothing queued there would be nothing to wake the handler.
    const isMuch =
      queuedBytes > this.#limits.maxBufferedAnswerBytesPerStream || (queuedBytes > 0 && this.hasTooMuchQueued());
    return isMuch && !stream.isOver();
  }

  /** The answer of a unary call that went well. */
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

  /** One message of a stream of answers. Ends the call where its connection has far too many queued. */
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

  /** Ends a call with an error; without a message before it, that is one block (Trailers-Only). */
  error(stream: Http2Stream, status: FinalStatus): void {
    const block = withMetadata(trailersBlock(status), stream.trailersBlock);
    stream.endBlock = stream.areHeadersSent ? block : Buffer.concat([OPENING_BLOCK, block]);
    stream.areHeadersSent = true;
    this.pump(stream);
  }

  /** Ends a call early, whatever its handler does: a message that is sent in part is sent to its end, the others are not. */
  fail(stream: Http2Stream, status: FinalStatus): void {
    this.#queueGrew(-stream.dropQueue({ keepStarted: true }));
    stream.cancel();
    this.error(stream, status);
  }

  /** The answer to a request that is not gRPC. */
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
   * Once a second: whether the peer takes what is queued, fast enough to have all of it in time. True while the socket is what is slow:
   * that is judged by the bytes that the socket passes on (connection-lifetime.ts).
   */
  sweep(): boolean {
    const takenBytes = this.#takenBytes;
    this.#takenBytes = 0;
    const { slowReaderBytesPerSecond, maxBacklogMs } = this.#limits;
    const expectedBytes = Math.max(slowReaderBytesPerSecond, (this.#queuedBytes * 1_000) / maxBacklogMs);
    return this.#outbox.isCongested || takenBytes >= expectedBytes;
  }

  /** Sends what the windows allow. */
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
    // It may still be pending from before: it must not be found there once it has ended.
    this.#pending.delete(stream);
    if (stream.endBlock !== null) {
      this.#headers(stream, stream.endBlock, true);
    }
    this.#table.answered(stream);
  }

  /** Goes on with the streams that are pending, a frame of each at a time. */
  pumpPending(): void {
    // A set is walked in the order of adding: what is added while it is walked has its turn behind the others.
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

  /** Ends a stream without what it has queued, and without a frame. */
  drop(stream: Http2Stream): void {
    this.#pending.delete(stream);
    this.#queueGrew(-stream.dropQueue({ keepStarted: false }));
    stream.cancel();
    this.#table.remove(stream);
  }

  /** False where the window would pass its maximum. */
  grow(bytes: number): boolean {
    this.#windowBytes += bytes;
    return this.#windowBytes <= MAX_WINDOW_BYTES;
  }

  /** The peer changed its SETTINGS_HEADER_TABLE_SIZE: an encoder must answer a smaller one (RFC 7541, section 4.2). */
  tableLimitChanged(bytes: number): void {
    if (bytes < DEFAULT_TABLE_BYTES) {
      this.#isTableUpdateDue = true;
    }
  }

  /**
   * The answers of calls that had begun before the first was queued may come to twice the bound of the connection, and not to more than
   * that of all. A call whose answer goes beyond it ends.
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
    // One frame holds it: what can be long (status texts, metadata) is bounded where it is made.
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
