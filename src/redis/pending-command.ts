/**
 * Represents one command of a connection, queued or in flight, together with the promise that its caller awaits.
 *
 *   1. The promise settles once: when the reply arrives, when the time limit passes, or when the connection is lost.
 *   2. The time limit is the command timeout plus 1 ms for each KiB that was written before the command or that has
 *      arrived since it was sent. The extra time allows for a link of 1 MB/s. The limit is never later than the
 *      command's deadline.
 *
 * Most commands have the same time limit, so the connection's watchdog checks the commands in send order. Only commands
 * with a shorter limit need a timer.
 */
import { StoreError } from '../lib/store-error.ts';
import type { TimerEntry, TimerWheel } from '../lib/timer-wheel.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import type { InFlightNode } from './in-flight.ts';
import type { LostConnection } from './lost-connection.ts';
import type { ServerReply } from './server-reply.ts';

/** Delay of a timer, in ms, beyond which the event loop is considered blocked. */
const LATE_MS = 50;
const BYTES_PER_MS = 1_024;

/** Options of one command. Every command allocates such an object, so it contains no closures. */
export interface SendOptions {
  /**
   * Recovers the command after an error reply or the loss of its connection. `sentAtMs` is the time at which the
   * command was sent.
   */
  recover?(failure: ServerReply | LostConnection, sentAtMs: number): Promise<RedisReply>;
  /** Whether ASKING is sent directly before the command. */
  readonly isAsking?: boolean | undefined;
  /**
   * Whether the command writes nothing. For such a command, the connection verifies the role of the server, and the
   * command may be repeated after a lost connection.
   */
  readonly isRead?: boolean | undefined;
  /** Estimated size of the reply. Commands with this option share the reply budget of the connection. */
  readonly expectedReplyBytes?: number | undefined;
  /**
   * Time limit on the monotonic clock, extended by the transfer time of the bytes in flight. If unset, the command
   * times out once the command timeout has passed since the command was sent.
   */
  readonly endMs?: number | undefined;
}

export class PendingCommand implements InFlightNode {
  next: InFlightNode | undefined = undefined;
  previous: InFlightNode | undefined = undefined;
  isListed = false;
  sentAtMs = 0;
  /** Estimated size of the command. */
  readonly bytes: number;
  readonly deadlineAtMs: number;
  readonly expectedReplyBytes: number;
  readonly promise: Promise<RedisReply>;
  /** Name and arguments of the command while the command is queued. */
  unsent: readonly RedisArgument[] | undefined = undefined;
  /** Number of the write batch that contains the command. */
  batch = 0;
  /** Bytes in flight when the command was sent, including the bytes of the command, minus the bytes read until then. */
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

  /**
   * Marks the command as sent. Before this call, `bytesAhead` bytes were in flight and the connection had received
   * `bytesRead` bytes.
   */
  sent(nowMs: number, bytesAhead: number, bytesRead: number): void {
    this.sentAtMs = nowMs;
    this.#creditBytes = bytesAhead + this.bytes - bytesRead;
  }

  /**
   * Returns the time limit of the command on a connection that has received `bytesRead` bytes so far. The limit is
   * `endMs` plus the transfer time.
   */
  dueMs(endMs: number, bytesRead: number): number {
    return Math.min(this.deadlineAtMs, endMs + Math.max(0, this.#creditBytes + bytesRead) / BYTES_PER_MS);
  }

  /**
   * Returns the time until which the server may remain silent while this command is the oldest in flight. The silence
   * began at `silentSinceMs`.
   */
  silenceEndsMs(silentSinceMs: number, commandTimeoutMs: number): number {
    const endMs = silentSinceMs + commandTimeoutMs;
    return Math.min(endMs + this.bytes / BYTES_PER_MS, Math.max(endMs, this.deadlineAtMs));
  }

  /**
   * Rejects the command at the time that `dueMs` returns. `dueMs` is called again when the timer fires, because the
   * time may have changed. If our event loop was blocked, replies waiting in the socket are read before the rejection.
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

  /** Rejects the command because its time limit has passed. If the command was sent, Redis may still execute it. */
  giveUp(): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#reject(
        this.unsent === undefined
          ? new StoreError('unknown', 'Redis did not answer in time')
          : new StoreError('deadline', 'the deadline expired before the command was sent'),
      );
    }
  }

  resolve(reply: RedisReply, wheel: TimerWheel): void {
    if (this.#settle(wheel)) {
      this.#resolve(reply);
    }
  }

  /** Handles an error reply: calls `recover` if the sender provided this function, otherwise rejects the promise. */
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

  /**
   * Handles the loss of the connection: calls `recover` if the command may be repeated, otherwise rejects the promise.
   */
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
