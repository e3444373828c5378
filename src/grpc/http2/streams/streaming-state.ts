/**
 * What a call of a streaming method waits for: request messages that its handler has not read, and room for further answers.
 *
 * Invariants: request messages keep their order; whoever waits is woken when the call is over.
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

  /** Resolves once there is something new for the one who reads: a message, or that none will come. */
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

  /** The call is over. */
  end(): void {
    this.#requests.length = 0;
    this.wakeReader();
    this.wakeWriter();
  }
}
