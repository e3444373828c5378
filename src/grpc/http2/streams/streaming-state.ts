/**
 * Holds the unread request messages of a streaming call, and resumes its handler when it can read or write.
 *
 * Invariants:
 *   1. Request messages keep their order.
 *   2. When the call ends, a handler that waits to read or write is resumed.
 */
import type { RequestMessage } from '../../transport/request-message.ts';

export class StreamingState {
  readonly #requests: RequestMessage[] = [];
  #reading: (() => void) | undefined;
  #writing: PromiseWithResolvers<void> | undefined;

  get hasUnread(): boolean {
    return this.#requests.length > 0;
  }

  get isWriterWaiting(): boolean {
    return this.#writing !== undefined;
  }

  deliver(message: RequestMessage): void {
    this.#requests.push(message);
    this.wakeReader();
  }

  take(): RequestMessage | undefined {
    return this.#requests.shift();
  }

  /** Resolves when a message arrives or the request ends. */
  whenReadable(): Promise<void> {
    return new Promise((resolve) => {
      this.#reading = resolve;
    });
  }

  whenWritable(): Promise<void> {
    this.#writing ??= Promise.withResolvers();
    return this.#writing.promise;
  }

  wakeReader(): void {
    const wake = this.#reading;
    this.#reading = undefined;
    wake?.();
  }

  wakeWriter(): void {
    this.#writing?.resolve();
    this.#writing = undefined;
  }

  /** Drops unread messages and resumes the handler, because the call has ended. */
  end(): void {
    this.#requests.length = 0;
    this.wakeReader();
    this.wakeWriter();
  }
}
