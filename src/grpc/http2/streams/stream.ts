/**
 * State of one call: its flow-control windows, its buffered bytes, and the context that its handler receives.
 *
 * Invariants:
 *   1. `isClosed` is set once, when the stream leaves the table of its connection. The server sends no part of a
 *      response on a closed stream.
 *   2. `isRunning` is true from the start of the handler until the handler settles, even if the stream ends earlier.
 *   3. The stream calls each `onOver` listener exactly once when the call ends, for whatever reason.
 */
import type { AnswerMetadata, CallContext } from '../../method.ts';
import { metadataFields } from '../../transport/answer-metadata.ts';
import type { RequestMessage } from '../../transport/request-message.ts';
import { encodeFields } from '../hpack/encoder.ts';
import type { MessageReader } from '../messages/message-reader.ts';
import type { RequestHeaders } from '../messages/request-headers.ts';
import type { StreamingState } from './streaming-state.ts';

/** Empty queue that all calls without queued DATA share. It is never changed. */
const NOTHING: Buffer[] = [];

export class Http2Stream implements CallContext {
  readonly id: number;
  readonly request: RequestHeaders;
  readonly deadlineAtMs: number;

  /** True once the caller has ended its side of the stream. */
  isRemoteClosed = false;
  isClosed = false;
  isRunning = false;
  isCancelled = false;

  receiveWindowBytes: number;
  sendWindowBytes: number;
  /** Received bytes that have not been credited to the caller's window yet. */
  unacknowledgedBytes = 0;
  /** Bytes of the connection's request budget that this call uses: buffered request bytes and `openCallBytes`. */
  bufferedBytes = 0;
  /** Part of `bufferedBytes` that covers the memory of the open call itself, without its request messages. */
  openCallBytes = 0;
  /** Buffered DATA bytes of a streaming call that have not been credited to the caller's window yet. */
  uncreditedBytes = 0;
  /** Bytes of the body that must still arrive according to `content-length`; -1 if the request has no such field. */
  contentLengthLeft: number;
  reader: MessageReader | undefined;
  /** Complete message of a call with one request message. */
  message: RequestMessage | undefined;
  /** State of a streaming call; undefined until its handler starts. */
  streaming: StreamingState | undefined;

  areHeadersSent = false;
  /** Encoded metadata that the handler has set for the response headers. */
  headersBlock: Buffer | undefined;
  /** Encoded metadata that the handler has set for the trailers. */
  trailersBlock: Buffer | undefined;
  /** DATA that the server cannot send until a window grows or the socket accepts more bytes. */
  sendQueue: Buffer[] = NOTHING;
  /** Unsent bytes in `sendQueue`. */
  queuedBytes = 0;
  /** Bytes of the first buffer in `sendQueue` that have been sent. */
  sentOfFirstBytes = 0;
  /** Bytes from `sendQueue` that have been sent since the call began. */
  sentBytes = 0;
  /** Value of `sentBytes` at the last sweep. */
  sweptBytes = 0;
  /**
   * Trailers to send after the queue. `null` means that the last DATA frame ends the stream. `undefined` means that the
   * call has no final status yet.
   */
  endBlock: Buffer | null | undefined = undefined;

  /** Number of sweeps that had run when the stream was opened. */
  readonly bornSweep: number;
  /** Number of the last sweep at which the peer had made progress in reading. */
  progressSweep: number;
  /**
   * Number of the chunk that opened the stream. The server uses this number to detect a reset that arrives in the same
   * chunk or the next one.
   */
  readonly bornTurn: number;

  #listeners: (() => void)[] | undefined;

  constructor(start: {
    id: number;
    request: RequestHeaders;
    deadlineAtMs: number;
    receiveWindowBytes: number;
    sendWindowBytes: number;
    sweep: number;
    turn: number;
  }) {
    this.id = start.id;
    this.request = start.request;
    this.deadlineAtMs = start.deadlineAtMs;
    this.receiveWindowBytes = start.receiveWindowBytes;
    this.sendWindowBytes = start.sendWindowBytes;
    this.contentLengthLeft = start.request.contentLength;
    this.bornSweep = start.sweep;
    this.progressSweep = start.sweep;
    this.bornTurn = start.turn;
  }

  metadata(key: string): string | undefined {
    return key.endsWith('-bin') ? undefined : this.#fieldOf(key);
  }

  binaryMetadata(key: string): Buffer | undefined {
    const text = key.endsWith('-bin') ? this.#fieldOf(key) : undefined;
    // A field may contain several values, separated by commas.
    return text === undefined ? undefined : Buffer.from(text.split(',')[0] ?? '', 'base64');
  }

  answerWith({ headers = [], trailers = [] }: AnswerMetadata): void {
    const headersBlock = encodeFields(metadataFields(headers));
    const trailersBlock = encodeFields(metadataFields(trailers));
    this.headersBlock = headersBlock.length === 0 ? undefined : headersBlock;
    this.trailersBlock = trailersBlock.length === 0 ? undefined : trailersBlock;
  }

  #fieldOf(key: string): string | undefined {
    for (const field of this.request.metadata) {
      if (field.name === key) {
        return field.value;
      }
    }
    return undefined;
  }

  isOver(): boolean {
    return this.isClosed || this.isCancelled;
  }

  onOver(listener: () => void): void {
    if (this.isOver()) {
      listener();
      return;
    }
    this.#listeners ??= [];
    this.#listeners.push(listener);
  }

  enqueue(piece: Buffer): void {
    if (this.queuedBytes === 0) {
      this.sendQueue = [];
    }
    this.sendQueue.push(piece);
    this.queuedBytes += piece.length;
  }

  /**
   * Drops queued DATA, except the rest of a partly sent message if `keepStarted` is set. Returns the number of dropped
   * bytes.
   */
  dropQueue(options: { keepStarted: boolean }): number {
    const first = this.sendQueue[0];
    const isKept = options.keepStarted && first !== undefined && this.sentOfFirstBytes > 0;
    const keptBytes = isKept ? first.length - this.sentOfFirstBytes : 0;
    const droppedBytes = this.queuedBytes - keptBytes;
    this.sendQueue = isKept ? [first] : NOTHING;
    this.queuedBytes = keptBytes;
    return droppedBytes;
  }

  /** Cancels the call. Nothing that the handler sends after the cancellation reaches the caller. */
  cancel(): void {
    this.isCancelled = true;
    this.message = undefined;
    this.reader = undefined;
    this.#end();
  }

  /** Records that the stream has left the table of its connection. */
  close(): void {
    this.isClosed = true;
    this.#end();
  }

  #end(): void {
    this.streaming?.end();
    const listeners = this.#listeners;
    if (listeners === undefined) {
      return;
    }
    this.#listeners = undefined;
    for (const listener of listeners) {
      listener();
    }
  }
}
