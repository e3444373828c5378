/**
 * What a connection sends: answers within the peer's windows, and the frames that control it.
 *
 * A small unary answer is one copy of three ready frames. What does not fit waits in its stream: for its own window until
 * that grows, for the connection's window or a slow socket in #waiting, where each has its turn, a frame at a time.
 */
import type { Socket } from 'node:net';
import { errorStatus } from '../../error-status.ts';
import { answersNotTaken, HTTP_TEXTS } from '../../transport/refusals.ts';
import { PREFIX_BYTES } from '../calls/message-reader.ts';
import { type FinalStatus, OK_BLOCK, OPENING_BLOCK, trailersBlock } from '../calls/trailers.ts';
import { putBytes, putFrameHeader, putMessagePrefix, putReadyFrame, readyFrame } from '../frames/frame-writer.ts';
import { Outbox } from '../frames/outbox.ts';
import {
  DEFAULT_WINDOW_BYTES,
  type ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
} from '../frames/protocol.ts';
import { EMPTY_TABLE, encodeFields } from '../hpack/encoder.ts';
import { bufferedMemory } from '../limits/buffered-memory.ts';
import type { Share } from '../limits/global-budget.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Http2Stream } from './stream.ts';

const OPENING_FRAME = readyFrame(FrameType.headers, Flag.endHeaders, OPENING_BLOCK);
const OK_FRAME = readyFrame(FrameType.headers, Flag.endHeaders | Flag.endStream, OK_BLOCK);
const AROUND_MESSAGE_BYTES = OPENING_FRAME.length + FRAME_HEADER_BYTES + PREFIX_BYTES + OK_FRAME.length;
/** A DATA frame this small while more waits is the mark of a peer that doles out its window. */
const DRIBBLE_BYTES = 256;
/** What a peer's table is before it says otherwise. */
const DEFAULT_TABLE_BYTES = 4_096;

export interface SenderHost {
  /** The last frame of a stream is written. */
  streamEnded(stream: Http2Stream): void;
  dataSent(): void;
  windowDribbled(): void;
}

export class Sender {
  readonly outbox: Outbox;
  /** The peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  streamWindowBytes = DEFAULT_WINDOW_BYTES;
  /** DATA that waits, over all streams. */
  queuedBytes = 0;
  readonly #host: SenderHost;
  readonly #waitingShare: Share;
  readonly #limits: Http2Limits;
  readonly #waiting = new Set<Http2Stream>();
  #windowBytes = DEFAULT_WINDOW_BYTES;
  /** DATA that had waited and went out since the last sweep. */
  #takenBytes = 0;
  #isTableUpdateDue = false;

  constructor(socket: Socket, options: { limits: Http2Limits; waiting: Share; host: SenderHost }) {
    const { limits, waiting, host } = options;
    this.outbox = new Outbox(socket, { maxUnsentBytes: limits.maxUnsentBytes, waiting });
    this.#waitingShare = waiting;
    this.#limits = limits;
    this.#host = host;
  }

  /** Answers that the peer does not take: of this connection, or of all together where this one has more than its share. */
  hasTooMuchWaiting(): boolean {
    return this.queuedBytes > this.#limits.maxBufferedAnswerBytesPerConnection || this.#waitingShare.isOver();
  }

  /**
   * What calls answer that had begun before the first answer waited may come to twice the bound of the connection, and not to
   * more than that of all. What comes on top ends its call.
   */
  hasFarTooMuchWaiting(): boolean {
    return this.queuedBytes > 2 * this.#limits.maxBufferedAnswerBytesPerConnection || this.#waitingShare.isOver();
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
      !this.outbox.isCongested;
    if (this.hasFarTooMuchWaiting()) {
      this.error(stream, errorStatus(answersNotTaken()));
      return;
    }
    if (!isPlain) {
      this.message(stream, message);
      this.ok(stream);
      return;
    }
    this.#windowBytes -= bytes;
    const total = AROUND_MESSAGE_BYTES + message.length;
    const buffer = this.outbox.reserve(total);
    let at = this.outbox.end - total;
    at = putReadyFrame(buffer, at, OPENING_FRAME, stream.id);
    at = putFrameHeader(buffer, at, bytes, FrameType.data, Flag.none, stream.id);
    at = putMessagePrefix(buffer, at, message.length);
    at = putBytes(buffer, at, message);
    putReadyFrame(buffer, at, OK_FRAME, stream.id);
    stream.areHeadersSent = true;
    this.#host.dataSent();
    this.#host.streamEnded(stream);
  }

  /** One message of an answer, and before the first the headers that open it. */
  message(stream: Http2Stream, message: Buffer): void {
    this.#open(stream);
    const piece = bufferedMemory(PREFIX_BYTES + message.length);
    piece.set(message, putMessagePrefix(piece, 0, message.length));
    this.#enqueue(stream, piece);
    this.pump(stream);
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

  /** The answer to a request that is not gRPC. */
  plain(stream: Http2Stream): void {
    const status = stream.head.httpStatus;
    const body = Buffer.from(HTTP_TEXTS[status]);
    const fields = [
      [':status', status],
      ['content-type', 'text/plain'],
      ['content-length', String(body.length)],
    ] as const;
    stream.areHeadersSent = true;
    if (stream.head.isHeadRequest) {
      stream.endBlock = encodeFields(fields);
    } else {
      this.#headers(stream, encodeFields(fields), false);
      this.#enqueue(stream, body);
      stream.endBlock = null;
    }
    this.pump(stream);
  }

  reset(id: number, code: ErrorCode): void {
    this.outbox.numberFrame(FrameType.resetStream, id, code);
  }

  goaway(lastId: number, code: ErrorCode, text: string): void {
    const payload = Buffer.alloc(8 + text.length);
    payload.writeUInt32BE(lastId, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(text, 8, 'latin1');
    this.outbox.frame(FrameType.goaway, Flag.none, 0, payload);
  }

  /**
   * Once a second: whether the peer takes what waits, fast enough to be done with all of it in time. True while the socket
   * is what is slow: that is judged by what the socket gets rid of (connection-lifetime.ts).
   */
  sweep(): boolean {
    const takenBytes = this.#takenBytes;
    this.#takenBytes = 0;
    const { slowReaderBytesPerSecond, maxBacklogMs } = this.#limits;
    const wantedBytes = Math.max(slowReaderBytesPerSecond, (this.queuedBytes * 1_000) / maxBacklogMs);
    return this.outbox.isCongested || takenBytes >= wantedBytes;
  }

  /** Sends what the windows allow. */
  pump(stream: Http2Stream): void {
    while (stream.queuedBytes > 0) {
      if (stream.sendWindowBytes <= 0) {
        return;
      }
      if (this.#windowBytes <= 0 || this.outbox.isCongested) {
        this.#waiting.add(stream);
        return;
      }
      this.#sendPiece(stream);
    }
    if (stream.endBlock === undefined) {
      return;
    }
    // It may have waited for the connection, and not been sent from there: it must not be found there once it has ended.
    this.#waiting.delete(stream);
    if (stream.endBlock !== null) {
      this.#headers(stream, stream.endBlock, true);
    }
    this.#host.streamEnded(stream);
  }

  /** Goes on with the streams that waited for the connection, a frame of each at a time. */
  pumpWaiting(): void {
    // A set is walked in the order of adding: what is added while it is walked has its turn behind the others.
    for (const stream of this.#waiting) {
      if (this.#windowBytes <= 0 || this.outbox.isCongested) {
        return;
      }
      this.#waiting.delete(stream);
      if (stream.queuedBytes > 0 && stream.sendWindowBytes > 0) {
        this.#sendPiece(stream);
      }
      if (stream.queuedBytes > 0 && stream.sendWindowBytes > 0) {
        this.#waiting.add(stream);
      } else {
        this.pump(stream);
      }
    }
  }

  /** The stream ends without what it has queued. */
  forget(stream: Http2Stream): void {
    this.#waiting.delete(stream);
    this.#queueGrew(-stream.dropQueue({ keepStarted: false }));
  }

  /** The call ends early: a message that is sent in part is sent to its end, the others are not. */
  cutShort(stream: Http2Stream): void {
    this.#queueGrew(-stream.dropQueue({ keepStarted: true }));
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
    this.outbox.frame(FrameType.headers, flags, stream.id, block);
  }

  #enqueue(stream: Http2Stream, piece: Buffer): void {
    stream.enqueue(piece);
    this.#queueGrew(piece.length);
  }

  #queueGrew(bytes: number): void {
    this.queuedBytes += bytes;
    this.#waitingShare.add(bytes);
  }

  #sendPiece(stream: Http2Stream): void {
    const first = stream.sendQueue[0] as Buffer;
    const leftBytes = first.length - stream.sentOfFirstBytes;
    const bytes = Math.min(leftBytes, this.#windowBytes, stream.sendWindowBytes, MAX_FRAME_BYTES);
    const isLast = stream.endBlock === null && bytes === stream.queuedBytes;
    const isWhole = bytes === first.length;
    const piece = isWhole ? first : first.subarray(stream.sentOfFirstBytes, stream.sentOfFirstBytes + bytes);
    this.outbox.frame(FrameType.data, isLast ? Flag.endStream : Flag.none, stream.id, piece);
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
      this.#host.dataSent();
    } else if (bytes < DRIBBLE_BYTES) {
      this.#host.windowDribbled();
    } else {
      this.#host.dataSent();
    }
    stream.streaming?.queueShrank();
  }
}

function withMetadata(block: Buffer, metadata: Buffer | undefined): Buffer {
  return metadata === undefined ? block : Buffer.concat([block, metadata]);
}
