/**
 * Queues commands until their node has a connection. Only commands that were certainly not sent are queued. The number
 * of queued commands, their total size and their waiting time are bounded.
 */
import type { TimerWheel } from '../lib/timer-wheel.ts';

const MAX_WAITING = 2_000;
const MAX_WAITING_BYTES = 16_777_216;

export class ReadyWaiters {
  readonly #wheel: TimerWheel;
  readonly #waiting = new Set<() => void>();
  #bytes = 0;

  constructor(wheel: TimerWheel) {
    this.#wheel = wheel;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves at the next call of `wakeAll`, at the time `dueMs` at the latest, or at once if the queue is full. Never
   * rejects.
   */
  wait(bytes: number, dueMs: number): Promise<void> {
    const isFull = this.#waiting.size > 0 && this.#bytes + bytes > MAX_WAITING_BYTES;
    if (isFull || this.#waiting.size >= MAX_WAITING) {
      return Promise.resolve();
    }
    this.#bytes += bytes;
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wheel.cancel(entry);
        if (this.#waiting.delete(wake)) {
          this.#bytes -= bytes;
        }
        resolve();
      };
      const entry = this.#wheel.schedule(dueMs, wake);
      this.#waiting.add(wake);
    });
  }

  wakeAll(): void {
    for (const wake of [...this.#waiting]) {
      wake();
    }
  }
}
