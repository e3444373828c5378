/**
 * Passes request messages to the handler of a streaming method, and sends the responses of the handler.
 *
 * Invariants:
 *   1. The handler receives the request messages in the order in which they arrived.
 *   2. When the call ends, the iteration over the request messages ends without an error. The handler resumes if it is
 *      waiting to read or write.
 */
import { isPromise } from '../../../lib/maybe-promise.ts';
import type { AnyMethod, ResponseStream } from '../../method.ts';
import { decodeRequest } from '../../transport/request-message.ts';
import type { ReceiveWindow } from '../streams/receive-window.ts';
import type { Sender } from '../streams/sender.ts';
import type { Http2Stream } from '../streams/stream.ts';
import type { StreamingState } from '../streams/streaming-state.ts';

export class StreamingCall implements ResponseStream<unknown> {
  readonly #stream: Http2Stream;
  readonly #state: StreamingState;
  readonly #method: AnyMethod;
  readonly #sender: Sender;
  readonly #receiveWindow: ReceiveWindow;

  constructor(parts: {
    stream: Http2Stream;
    state: StreamingState;
    method: AnyMethod;
    sender: Sender;
    receiveWindow: ReceiveWindow;
  }) {
    this.#stream = parts.stream;
    this.#state = parts.state;
    this.#method = parts.method;
    this.#sender = parts.sender;
    this.#receiveWindow = parts.receiveWindow;
  }

  async *requests(): AsyncGenerator<unknown, void> {
    for (;;) {
      const message = this.#state.take();
      if (message !== undefined) {
        let request = decodeRequest(this.#method, message, this.#stream);
        if (isPromise(request)) {
          try {
            request = await request;
          } catch (error) {
            if (this.#stream.isOver()) {
              return;
            }
            throw error;
          }
        }
        this.#receiveWindow.messageTaken(this.#stream, message.length);
        yield request;
      } else if (this.#stream.isOver() || this.#stream.isRemoteClosed) {
        return;
      } else {
        await this.#state.whenReadable();
      }
    }
  }

  send(response: unknown): boolean {
    if (this.#stream.isOver()) {
      return false;
    }
    this.#sender.message(this.#stream, this.#method.encode(response));
    return !this.#stream.isOver() && !this.#sender.isFull(this.#stream);
  }

  writable(): Promise<void> {
    return this.#sender.isFull(this.#stream) ? this.#state.whenWritable() : Promise.resolve();
  }
}
