/**
 * One command in flight: the promise that its caller holds.
 *
 * It settles once: by the reply, by its time, or by the loss of its connection. Most commands have the same time, so the watch of the
 * connection ends their wait (they lie in the order in which they were sent); only who has less time than that pays for a timer.
 */
import { StoreError } from '../lib/store-error.ts';
import type { TimerEntry, TimerWheel } from '../lib/timer-wheel.ts';
import type { RedisReply } from './commands.ts';
import type { InFlightNode } from './in-flight.ts';
import type { ServerReply } from './server-reply.ts';

/** A timer that fires later than this behind its time says that the loop stood still. */
const LATE_MS = 50;

/** Goes on with a command that the server answered with an error, sent at `sentAtMs`. */
export type Recover = (error: ServerReply, sentAtMs: number) => Promise<RedisReply>;

export class PendingCommand implements InFlightNode {
  next: InFlightNode | undefined = undefined;
  previous: InFlightNode | undefined = undefined;
  isListed = false;
  readonly sentAtMs: number;
  /** Of the command, about. */
  readonly bytes: number;
  readonly promise: Promise<RedisReply>;
  #resolve!: (reply: RedisReply | Promise<RedisReply>) => void;
  #reject!: (error: unknown) => void;
  #timer: TimerEntry | undefined;
  readonly #recover: Recover | undefined;
  #isSettled = false;

  constructor(options: { sentAtMs: number; bytes: number; recover: Recover | undefined }) {
    this.sentAtMs = options.sentAtMs;
    this.bytes = options.bytes;
    this.#recover = options.recover;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Gives up at `dueMs`; when that comes late, because the loop stood still, replies that lie in the socket are read first. */
  limit(dueMs: number, wheel: TimerWheel, nowMs: () => number): void {
    this.#timer = wheel.schedule(dueMs, () => {
      if (nowMs() - dueMs > LATE_MS) {
        setImmediate(() => this.giveUp());
      } else {
        this.giveUp();
      }
    });
  }

  /** Ends the wait as unknown: it was sent, and may still be executed. */
  giveUp(): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#reject(new StoreError('unknown', 'Redis did not answer in time'));
    }
  }

  resolve(reply: RedisReply, wheel: TimerWheel): void {
    if (this.#settle(wheel)) {
      this.#resolve(reply);
    }
  }

  /** The server answered with an error: rejects with it, or goes on where its sender knows how. */
  refuse(error: ServerReply, wheel: TimerWheel): void {
    if (!this.#settle(wheel)) {
      return;
    }
    if (this.#recover === undefined) {
      this.#reject(error);
    } else {
      this.#resolve(this.#recover(error, this.sentAtMs));
    }
  }

  reject(error: unknown, wheel: TimerWheel): void {
    if (this.#settle(wheel)) {
      this.#reject(error);
    }
  }

  #settle(wheel: TimerWheel): boolean {
    if (this.#timer !== undefined) {
      wheel.cancel(this.#timer);
      this.#timer = undefined;
    }
    const isFirst = !this.#isSettled;
    this.#isSettled = true;
    return isFirst;
  }
}
