/**
 * Replies that are expected on one connection, in bytes: more than fit at once wait to be asked for, so that large reads cannot fill the
 * memory of the pod.
 *
 *   1. What is in flight expects MAX_EXPECTED_BYTES together at most. One command may always go, whatever it expects.
 *   2. Those that wait go in the order in which they came; no command that expects something passes them.
 *   3. They are bounded in number and bytes; one whose time is over while it waits is never sent.
 */
import type { RedisArgument } from './commands.ts';
import { InFlight } from './in-flight.ts';
import type { PendingCommand } from './pending-command.ts';

const MAX_EXPECTED_BYTES = 16_777_216;
const MAX_WAITING = 1_000;
const MAX_WAITING_BYTES = 16_777_216;

export class ReplyBudget {
  #expectedBytes = 0;
  readonly #waiting = new InFlight<PendingCommand>();
  #waitingBytes = 0;

  /** True where it may be sent now; `release` ends that. */
  take(pending: PendingCommand): boolean {
    if (this.#waiting.size > 0 || !this.#hasRoomFor(pending)) {
      return false;
    }
    this.#expectedBytes += pending.expectedReplyBytes;
    return true;
  }

  release(pending: PendingCommand): void {
    this.#expectedBytes -= pending.expectedReplyBytes;
  }

  /** False where too many wait already. */
  wait(pending: PendingCommand, command: readonly RedisArgument[]): boolean {
    const isFull = (): boolean =>
      this.#waiting.size >= MAX_WAITING || this.#waitingBytes + pending.bytes > MAX_WAITING_BYTES;
    if (isFull()) {
      for (const other of [...this.#waiting.values()].filter((one) => one.isSettled)) {
        this.#remove(other);
      }
    }
    if (isFull()) {
      return false;
    }
    pending.unsent = command;
    this.#waiting.add(pending);
    this.#waitingBytes += pending.bytes;
    return true;
  }

  /** The next one to be sent, its expectation taken; undefined where none is there or there is no room. */
  next(): PendingCommand | undefined {
    for (let first = this.#waiting.first; first !== undefined; first = this.#waiting.first) {
      if (!first.isSettled) {
        if (!this.#hasRoomFor(first)) {
          return undefined;
        }
        this.#expectedBytes += first.expectedReplyBytes;
        this.#remove(first);
        return first;
      }
      this.#remove(first);
    }
    return undefined;
  }

  /** All that wait; none does any longer. */
  clear(): PendingCommand[] {
    const waiting = [...this.#waiting.values()];
    for (const pending of waiting) {
      this.#remove(pending);
    }
    return waiting;
  }

  #hasRoomFor(pending: PendingCommand): boolean {
    return this.#expectedBytes === 0 || this.#expectedBytes + pending.expectedReplyBytes <= MAX_EXPECTED_BYTES;
  }

  #remove(pending: PendingCommand): void {
    this.#waiting.remove(pending);
    this.#waitingBytes -= pending.bytes;
  }
}
