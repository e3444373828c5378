/**
 * Limits the bytes of expected replies on one connection. Reads beyond the limit are queued, so that large replies
 * cannot exhaust the pod's memory.
 *
 *   1. The sum of the expected replies in flight is at most MAX_EXPECTED_BYTES. As an exception, a command whose
 *      expected reply alone exceeds this limit is sent while no other expected reply is in flight.
 *   2. Queued commands are sent in order, and no other command with an expected size overtakes them.
 *   3. The number of queued commands and their total size are bounded. A command that times out in the queue is never
 *      sent.
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

  /** Reserves the expected bytes and returns true if the command may be sent now. `release` frees these bytes. */
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

  /** Queues the command. Returns false if the queue is full. */
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

  /**
   * Reserves the bytes of the next queued command and returns the command; undefined if the queue is empty or the
   * budget is too small.
   */
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

  /** Empties the queue and returns its commands. */
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
