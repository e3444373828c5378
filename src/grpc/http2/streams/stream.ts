/**
 * One call: its flow control, what is buffered in either direction, and the context that its handler sees.
 *
 * Invariants:
 *   1. `isClosed` is set once, when the stream leaves its connection's table; nothing is sent for it afterwards.
 *   2. `isRunning` is true from the start of the handler until it settles, whatever happened to the stream meanwhile.
 *   3. Listeners are called once when the call is over, by whatever end.
 */
import type { AnswerMetadata, CallContext } from '../../method.ts';
import { metadataFields } from '../../transport/answer-metadata.ts';
import type { RequestMessage } from '../../transport/request-message.ts';
import { encodeFields } from '../hpack/encoder.ts';
import type { MessageReader } from '../messages/message-reader.ts';
import type { RequestHeaders } from '../messages/request-headers.ts';
import type { StreamingState } from './streaming-state.ts';

/** Shared by the calls that never queue anything; never written to. */
const NOTHING: Buffer[] = [];

export class Http2Stream implements CallContext {
  readonly id: number;
  readonly request: RequestHeaders;
  readonly deadlineAtMs: number;

  /** The caller has sent all that it will. */
  isRemoteClosed = false;
  isClosed = false;
  isRunning = false;
  isCancelled = false;

  receiveWindowBytes: number;
  sendWindowBytes: number;
  /** Received and not given back to the caller's window yet. */
  unacknowledgedBytes = 0;
  /** Buffered bytes of the request, and those that the open call counts as; its connection counts them too. */
  bufferedBytes = 0;
  /** Of those, what the open call itself counts as until it ends. */
  openCallBytes = 0;
  /** Of a streaming call: DATA bytes that are buffered and whose window the caller has not got back. */
  uncreditedBytes = 0;
  /** What `content-length` still announces; -1 where it announced nothing. */
  contentLengthLeft: number;
  reader: MessageReader | undefined;
  /** The one message of a call that sends one, once it is whole. */
  message: RequestMessage | undefined;
  /** Of a method with many requests or many responses, once its handler runs. */
  streaming: StreamingState | undefined;

  areHeadersSent = false;
  /** Metadata of the answer, encoded. */
  headersBlock: Buffer | undefined;
  trailersBlock: Buffer | undefined;
  /** DATA that is queued until a window grows, its total, and how much of its first piece is sent. */
  sendQueue: Buffer[] = NOTHING;
  queuedBytes = 0;
  sentOfFirstBytes = 0;
  /** DATA that went out, and how much of it the last sweep saw. */
  sentBytes = 0;
  sweptBytes = 0;
  /** Trailers that follow the queue; null: the last DATA ends the stream; undefined: the call is not answered yet. */
  endBlock: Buffer | null | undefined = undefined;

  /** The sweep (once a second) of its birth, and of the last progress in sending. */
  readonly bornSweep: number;
  progressSweep: number;
  /** The read turn of its birth, to recognize a reset that came together with it. */
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
    // Several values may stand in one field, separated by commas.
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

  /** Drops what is queued, but for the rest of a message that is sent in part; returns the bytes dropped. */
  dropQueue(options: { keepStarted: boolean }): number {
    const first = this.sendQueue[0];
    const isKept = options.keepStarted && first !== undefined && this.sentOfFirstBytes > 0;
    const keptBytes = isKept ? first.length - this.sentOfFirstBytes : 0;
    const droppedBytes = this.queuedBytes - keptBytes;
    this.sendQueue = isKept ? [first] : NOTHING;
    this.queuedBytes = keptBytes;
    return droppedBytes;
  }

  /** Nothing of what the handler answers will be sent. */
  cancel(): void {
    this.isCancelled = true;
    this.message = undefined;
    this.reader = undefined;
    this.#end();
  }

  /** It has left its connection's table. */
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
