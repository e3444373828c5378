/**
 * What a streaming method has on top of a stream: request messages that wait to be read, and answers that wait to be sent.
 *
 * Promises: messages keep their order; reading ends without an error when the call is over; whoever waits is let go then.
 */
import { isPromise } from '../../../lib/maybe-promise.ts';
import type { AnyMethod, ResponseStream } from '../../method.ts';
import { answersNotTaken } from '../../transport/refusals.ts';
import { decodeRequest, type RequestMessage } from '../../transport/request-message.ts';
import type { ReceiveWindow } from '../streams/receive-window.ts';
import type { Sender } from '../streams/sender.ts';
import type { Http2Stream } from '../streams/stream.ts';

/** What it needs of its connection. */
export interface StreamingHost {
  readonly sender: Sender;
  readonly receiveWindow: ReceiveWindow;
  failCall(stream: Http2Stream, error: unknown): void;
}

export class StreamingCall implements ResponseStream<unknown> {
  readonly #stream: Http2Stream;
  readonly #method: AnyMethod;
  readonly #host: StreamingHost;
  readonly #maxQueuedBytes: number;
  readonly #requests: RequestMessage[] = [];
  #reading: (() => void) | undefined;
  #writing: PromiseWithResolvers<void> | undefined;

  constructor(options: { stream: Http2Stream; method: AnyMethod; host: StreamingHost; maxQueuedBytes: number }) {
    this.#stream = options.stream;
    this.#method = options.method;
    this.#host = options.host;
    this.#maxQueuedBytes = options.maxQueuedBytes;
  }

  get hasUnread(): boolean {
    return this.#requests.length > 0;
  }

  deliver(message: RequestMessage): void {
    this.#requests.push(message);
    this.#wakeReader();
  }

  /** No further request will come. */
  requestsEnded(): void {
    this.#wakeReader();
  }

  async *requests(): AsyncGenerator<unknown, void> {
    for (;;) {
      const message = this.#requests.shift();
      if (message !== undefined) {
        const request = decodeRequest(this.#method, message, this.#stream);
        if (isPromise(request)) {
          await request;
        }
        this.#host.receiveWindow.messageTaken(this.#stream, message.length);
        yield request;
      } else if (this.#stream.isOver() || this.#stream.isRemoteClosed) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#reading = resolve;
        });
      }
    }
  }

  send(response: unknown): boolean {
    if (this.#stream.isOver()) {
      return false;
    }
    if (this.#host.sender.hasFarTooMuchWaiting()) {
      this.#host.failCall(this.#stream, answersNotTaken());
      return false;
    }
    this.#host.sender.message(this.#stream, this.#method.encode(response));
    return !this.#isFull();
  }

  writable(): Promise<void> {
    if (!this.#isFull()) {
      return Promise.resolve();
    }
    this.#writing ??= Promise.withResolvers();
    return this.#writing.promise;
  }

  /** Answers went out. */
  queueShrank(): void {
    if (this.#writing !== undefined && !this.#isFull()) {
      this.#writing.resolve();
      this.#writing = undefined;
    }
  }

  /** The call is over. */
  end(): void {
    this.#requests.length = 0;
    this.#wakeReader();
    this.queueShrank();
  }

  #isFull(): boolean {
    const { queuedBytes } = this.#stream;
    // While the connection has too much, even a little is enough; with nothing queued there would be nobody to wake us.
    const isMuch = queuedBytes > this.#maxQueuedBytes || (queuedBytes > 0 && this.#host.sender.hasTooMuchWaiting());
    return isMuch && !this.#stream.isOver();
  }

  #wakeReader(): void {
    const wake = this.#reading;
    this.#reading = undefined;
    wake?.();
  }
}
