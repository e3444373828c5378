/**
 * Runs the handlers of calls and sends their results.
 *
 * Invariant: a result that a handler returns synchronously is sent in the same turn of the event loop. For this
 * purpose, the runner creates no promise, closure or timer.
 */
import { isPromise, type MaybePromise } from '../../../lib/maybe-promise.ts';
import { errorStatus } from '../../error-status.ts';
import type { AnyMethod, BidiStreamMethod, ServerStreamMethod, UnaryMethod } from '../../method.ts';
import { decodeRequest, type RequestMessage } from '../../transport/request-message.ts';
import type { TransportLog } from '../../transport/transport.ts';
import type { FinalStatus } from '../messages/trailers.ts';
import type { ReceiveWindow } from '../streams/receive-window.ts';
import type { Sender } from '../streams/sender.ts';
import type { Http2Stream } from '../streams/stream.ts';
import type { StreamTable } from '../streams/stream-table.ts';
import { StreamingState } from '../streams/streaming-state.ts';
import type { CallTimes } from './call-times.ts';
import { StreamingCall } from './streaming-call.ts';

export interface CallRunnerParts {
  readonly log: TransportLog;
  readonly table: StreamTable;
  readonly times: CallTimes;
  readonly sender: Sender;
  readonly receiveWindow: ReceiveWindow;
}

export class CallRunner {
  readonly #log: TransportLog;
  readonly #table: StreamTable;
  readonly #times: CallTimes;
  readonly #sender: Sender;
  readonly #receiveWindow: ReceiveWindow;

  constructor(parts: CallRunnerParts) {
    this.#log = parts.log;
    this.#table = parts.table;
    this.#times = parts.times;
    this.#sender = parts.sender;
    this.#receiveWindow = parts.receiveWindow;
  }

  /** Starts a unary or server-streaming call, which has one request message. */
  startWithMessage(stream: Http2Stream, message: RequestMessage): void {
    const method = stream.request.method as AnyMethod;
    if (method.kind === 'unary') {
      this.#startUnary(stream, method, message);
      return;
    }
    this.#startStreaming(stream, method, async (call) => {
      const request = this.#requestOf(stream, method, message);
      const { handler } = method as ServerStreamMethod<unknown, unknown>;
      await handler(isPromise(request) ? await request : request, stream, call);
    });
  }

  /** Starts a bidi-streaming call, whose request messages arrive while its handler runs. */
  startBidi(stream: Http2Stream): void {
    const method = stream.request.method as BidiStreamMethod<unknown, unknown>;
    this.#startStreaming(stream, method, (call) => method.handler(call.requests(), stream, call));
  }

  /** Ends a call with an error status at once, even if its handler is still running. */
  fail(stream: Http2Stream, error: unknown): void {
    this.#sender.fail(stream, this.#statusOf(stream, error));
  }

  #startUnary(stream: Http2Stream, method: UnaryMethod<unknown, unknown>, message: RequestMessage): void {
    let result: unknown;
    try {
      const request = this.#requestOf(stream, method, message);
      result = isPromise(request)
        ? request.then((later) => method.handler(later, stream))
        : method.handler(request, stream);
    } catch (error) {
      this.#answerError(stream, error);
      return;
    }
    if (!isPromise(result)) {
      this.#answer(stream, method, result);
      return;
    }
    this.#started(stream);
    result.then(
      (response) => {
        this.#table.settled(stream);
        if (!stream.isOver()) {
          this.#answer(stream, method, response);
        }
      },
      (error: unknown) => {
        this.#table.settled(stream);
        if (!stream.isOver()) {
          this.#answerError(stream, error);
        }
      },
    );
  }

  /**
   * Decodes a request. The bytes of a compressed message count against the request budget until another thread has
   * decompressed the message.
   */
  #requestOf(stream: Http2Stream, method: AnyMethod, message: RequestMessage): MaybePromise<unknown> {
    const request = decodeRequest(method, message, stream);
    return isPromise(request) ? this.#bufferedUntil(request, stream, message.length) : request;
  }

  async #bufferedUntil(request: Promise<unknown>, stream: Http2Stream, bytes: number): Promise<unknown> {
    request.catch(() => {});
    const refusal = this.#receiveWindow.reserve(stream, bytes);
    if (refusal !== undefined) {
      throw refusal;
    }
    try {
      return await request;
    } finally {
      this.#receiveWindow.release(stream, Math.min(stream.bufferedBytes, bytes));
    }
  }

  #answer(stream: Http2Stream, method: UnaryMethod<unknown, unknown>, response: unknown): void {
    let bytes: Buffer;
    try {
      bytes = method.encode(response);
    } catch (error) {
      this.#answerError(stream, error);
      return;
    }
    this.#sender.answer(stream, bytes);
  }

  #startStreaming(stream: Http2Stream, method: AnyMethod, start: (call: StreamingCall) => Promise<void>): void {
    const state = new StreamingState();
    stream.streaming = state;
    const call = new StreamingCall({
      stream,
      state,
      method,
      sender: this.#sender,
      receiveWindow: this.#receiveWindow,
    });
    this.#started(stream);
    let done: Promise<void>;
    try {
      done = start(call);
    } catch (error) {
      done = Promise.reject(error);
    }
    done.then(
      () => {
        this.#table.settled(stream);
        if (!stream.isOver()) {
          this.#sender.ok(stream);
        }
      },
      (error: unknown) => {
        this.#table.settled(stream);
        if (!stream.isOver()) {
          this.#answerError(stream, error);
        }
      },
    );
  }

  /** Records that the handler has started but has not returned its result yet. */
  #started(stream: Http2Stream): void {
    stream.isRunning = true;
    this.#times.watch(stream);
  }

  #answerError(stream: Http2Stream, error: unknown): void {
    this.#sender.error(stream, this.#statusOf(stream, error));
  }

  /** Converts an error to a status, and logs the error if it is unexpected. */
  #statusOf(stream: Http2Stream, error: unknown): FinalStatus {
    return errorStatus(error, this.#log, stream.request.method?.path);
  }
}
