/**
 * Stores the unread request messages of a streaming call, and resumes the handler when the handler can read or write.
 *
 * Invariants:
 *   1. The handler receives the request messages in the order in which they arrived.
 *   2. When the call ends, the handler resumes if it is waiting to read or write.
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

  /** Returns a promise that resolves when a message arrives, the request ends or the call ends. */
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
