/**
 * One command in flight: the promise that its caller holds, and the time by which it settles.
 *
 * Promises:
 *   1. It settles once: by the reply, by its time, or by the loss of its connection.
 *   2. When its time comes late, because the event loop stood still, replies that already lie in the socket are read first: a pause of
 *      ours must not count as silence of the server's.
 */
import { StoreError } from '../lib/store-error.ts';
import type { TimerEntry, TimerWheel } from '../lib/timer-wheel.ts';
import type { RedisReply } from './commands.ts';

/** A timer that fires later than this behind its time says that the loop stood still. */
const LATE_MS = 50;

export class PendingCommand {
  readonly sentAtMs: number;
  readonly promise: Promise<RedisReply>;
  #resolve!: (reply: RedisReply) => void;
  #reject!: (error: unknown) => void;
  #timer: TimerEntry | undefined;
  #isSettled = false;

  constructor(sentAtMs: number) {
    this.sentAtMs = sentAtMs;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Ends the wait at `dueMs` with `unknown`: it was sent, and may still be executed. */
  limit(dueMs: number, wheel: TimerWheel, nowMs: () => number): void {
    this.#timer = wheel.schedule(dueMs, () => {
      if (nowMs() - dueMs > LATE_MS) {
        setImmediate(() => this.#giveUp());
      } else {
        this.#giveUp();
      }
    });
  }

  resolve(reply: RedisReply, wheel: TimerWheel): void {
    if (this.#settle(wheel)) {
      this.#resolve(reply);
    }
  }

  reject(error: unknown, wheel: TimerWheel): void {
    if (this.#settle(wheel)) {
      this.#reject(error);
    }
  }

  #giveUp(): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#reject(new StoreError('unknown', 'Redis did not answer in time'));
    }
  }

  #settle(wheel: TimerWheel): boolean {
    if (this.#isSettled) {
      return false;
    }
    this.#isSettled = true;
    if (this.#timer !== undefined) {
      wheel.cancel(this.#timer);
    }
    return true;
  }
}
