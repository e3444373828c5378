/**
 * One command of a connection, in flight or waiting to be sent: the promise that its caller holds.
 *
 *   1. It settles once: by the reply, by its time, or by the loss of its connection.
 *   2. Its time is the command timeout and 1 ms for each KiB that had to be written before it was out, or that arrived since: a link of
 *      1 MB/s. It never goes beyond its deadline.
 *
 * Most commands have the same time, so the watchdog of the connection ends their wait (they lie in the order in which they were sent);
 * only who has less time than that pays for a timer.
 */
import { StoreError } from '../lib/store-error.ts';
import type { TimerEntry, TimerWheel } from '../lib/timer-wheel.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import type { InFlightNode } from './in-flight.ts';
import type { LostConnection } from './lost-connection.ts';
import type { ServerReply } from './server-reply.ts';

/** If a timer fires later than this after its time, the event loop was blocked. */
const LATE_MS = 50;
const BYTES_PER_MS = 1_024;

/** One object per command, and no closure: this is on the way of every command. */
export interface SendOptions {
  /** Goes on with a command, sent at `sentAtMs`, that the server answered with an error or whose connection was lost. */
  recover?(failure: ServerReply | LostConnection, sentAtMs: number): Promise<RedisReply>;
  /** ASKING goes right before it. */
  readonly isAsking?: boolean | undefined;
  /** It writes nothing: the role of the server is verified, and it may be repeated when its connection is lost. */
  readonly isRead?: boolean | undefined;
  /** Of the reply, about: such commands wait for one another when they are too much together. */
  readonly expectedReplyBytes?: number | undefined;
  /** Its time is over then where nothing has to be moved; unset: the command timeout after it was sent. */
  readonly endMs?: number | undefined;
}

export class PendingCommand implements InFlightNode {
  next: InFlightNode | undefined = undefined;
  previous: InFlightNode | undefined = undefined;
  isListed = false;
  sentAtMs = 0;
  /** Of the command, about. */
  readonly bytes: number;
  readonly deadlineAtMs: number;
  readonly expectedReplyBytes: number;
  readonly promise: Promise<RedisReply>;
  /** While it waits to be sent. */
  unsent: readonly RedisArgument[] | undefined = undefined;
  /** Which of the writes of its connection it goes out with. */
  batch = 0;
  /** Bytes that were in flight when it was sent, with its own, less those that had been read by then. */
  #creditBytes = 0;
  #resolve!: (reply: RedisReply | Promise<RedisReply>) => void;
  #reject!: (error: unknown) => void;
  #timer: TimerEntry | undefined;
  readonly #options: SendOptions;
  #isSettled = false;

  constructor(bytes: number, deadlineAtMs: number, options: SendOptions) {
    this.bytes = bytes;
    this.deadlineAtMs = deadlineAtMs;
    this.expectedReplyBytes = options.expectedReplyBytes ?? 0;
    this.#options = options;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get isRead(): boolean {
    return this.#options.isRead === true;
  }

  get isAsking(): boolean {
    return this.#options.isAsking === true;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** It goes out now, behind `bytesAhead` in flight on a connection that has read `bytesRead`. */
  sent(nowMs: number, bytesAhead: number, bytesRead: number): void {
    this.sentAtMs = nowMs;
    this.#creditBytes = bytesAhead + this.bytes - bytesRead;
  }

  /** When its time is over, on a connection that has read `bytesRead` by now: `endMs` where nothing had to be moved. */
  dueMs(endMs: number, bytesRead: number): number {
    return Math.min(this.deadlineAtMs, endMs + Math.max(0, this.#creditBytes + bytesRead) / BYTES_PER_MS);
  }

  /** Until when silence is tolerated since `silentSinceMs`, while this is the oldest command in flight. */
  silenceEndsMs(silentSinceMs: number, commandTimeoutMs: number): number {
    const endMs = silentSinceMs + commandTimeoutMs;
    return Math.min(endMs + this.bytes / BYTES_PER_MS, Math.max(endMs, this.deadlineAtMs));
  }

  /**
   * Ends the wait at the time that `dueMs` says then, which may have moved since; if our event loop was blocked, replies that lie in the socket
   * are read first.
   */
  limit(dueMs: () => number, wheel: TimerWheel, nowMs: () => number): void {
    const endMs = dueMs();
    this.#timer = wheel.schedule(endMs, () => {
      if (nowMs() - endMs > LATE_MS) {
        setImmediate(() => this.#endOrWait(dueMs, wheel, nowMs));
      } else {
        this.#endOrWait(dueMs, wheel, nowMs);
      }
    });
  }

  #endOrWait(dueMs: () => number, wheel: TimerWheel, nowMs: () => number): void {
    if (this.#isSettled) {
      return;
    }
    if (dueMs() > nowMs()) {
      this.limit(dueMs, wheel, nowMs);
    } else {
      this.giveUp();
    }
  }

  /** Ends the wait: what was sent may still be executed. */
  giveUp(): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#reject(
        this.unsent === undefined
          ? new StoreError('unknown', 'Redis did not answer in time')
          : new StoreError('deadline', 'the deadline was over before anything was sent'),
      );
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
    if (this.#options.recover === undefined) {
      this.#reject(error);
    } else {
      this.#resolve(this.#options.recover(error, this.sentAtMs));
    }
  }

  /** Its connection is gone: goes on elsewhere where it may be repeated and its sender knows how. */
  lose(error: LostConnection, wheel: TimerWheel): void {
    if (!this.#settle(wheel)) {
      return;
    }
    if (this.#options.recover !== undefined && (this.#options.isRead === true || !error.wasSent)) {
      this.#resolve(this.#options.recover(error, this.sentAtMs));
    } else {
      this.#reject(error);
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
