/**
 * Detects a dead connection by the absence of bytes from the server, and rejects commands whose time limit has passed.
 *
 *   1. A command is rejected at most 10 ms after its time limit. If our event loop was blocked, sockets are read once
 *      before the command is rejected.
 *   2. A connection is silent if no bytes have arrived for as long as the oldest command in flight allows
 *      (pending-command.ts). Later writes do not extend that time, so a half-open connection is detected even under a
 *      steady stream of writes.
 *   3. After a call of `demandProof`, the connection is treated as silent unless another byte arrives in time.
 *   4. A connection without commands in flight and without a pending `demandProof` is not watched and costs no CPU
 *      time.
 */
import type { Clock } from '../lib/clock.ts';
import type { InFlight } from './in-flight.ts';
import type { PendingCommand } from './pending-command.ts';

/** Interval, in ms, between two checks of a connection with commands in flight. */
export const WATCH_MS = 10;
/** Delay of a check, in ms, beyond which our event loop is considered blocked. */
const LATE_MS = 50;
/** Fraction of the command timeout within which a suspected connection must respond. */
const PROOF_SHARE = 0.2;
const MAX_PROOF_MS = 100;
const BYTES_PER_MS = 1_024;

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
  readonly inFlight: InFlight<PendingCommand>;
  /** Called when the connection is silent and must be dropped. */
  readonly onSilent: () => void;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  #timer: NodeJS.Timeout | undefined;
  #watchedAtMs = 0;
  #bytesRead: () => number = () => 0;
  #seenBytes = 0;
  #lastReadMs = 0;
  #proofDueMs: number | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** Switches to a new connection. */
  attach(bytesRead: () => number): void {
    this.stop();
    this.#bytesRead = bytesRead;
  }

  /** Starts watching, because a command is in flight. */
  start(): void {
    if (this.#timer === undefined) {
      this.#watchedAtMs = this.#options.clock.monotonicMs();
      this.#lastReadMs = this.#watchedAtMs;
      this.#seenBytes = this.#bytesRead();
      this.#timer = setInterval(() => this.#check(), WATCH_MS);
      this.#timer.unref();
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#proofDueMs = undefined;
  }

  get isProving(): boolean {
    return this.#proofDueMs !== undefined;
  }

  /**
   * Drops the connection unless a byte arrives soon. The caller has just sent a PING, and `bytesAhead` is the number of
   * bytes that were in flight before this PING.
   */
  demandProof(bytesAhead: number): void {
    this.start();
    this.#sample();
    const { clock, commandTimeoutMs } = this.#options;
    const proofMs = Math.min(MAX_PROOF_MS, commandTimeoutMs * PROOF_SHARE) + bytesAhead / BYTES_PER_MS;
    this.#proofDueMs ??= clock.monotonicMs() + proofMs;
  }

  #check(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const isLate = nowMs - this.#watchedAtMs > LATE_MS;
    this.#watchedAtMs = nowMs;
    if (this.#options.inFlight.size === 0 && this.#proofDueMs === undefined) {
      // The timer is stopped only here and not after the last reply. Otherwise, every command in a sequence would
      // create a timer.
      this.stop();
    } else if (isLate) {
      // Replies may be waiting in the socket, so sockets are read once before the decision.
      setImmediate(() => this.#judge());
    } else {
      this.#judge();
    }
  }

  #sample(): void {
    const bytes = this.#bytesRead();
    if (bytes !== this.#seenBytes) {
      this.#seenBytes = bytes;
      this.#lastReadMs = this.#options.clock.monotonicMs();
      this.#proofDueMs = undefined;
    }
  }

  #judge(): void {
    const { clock, commandTimeoutMs, inFlight, onSilent } = this.#options;
    this.#sample();
    const nowMs = clock.monotonicMs();
    for (const pending of inFlight.values()) {
      if (nowMs - pending.sentAtMs < commandTimeoutMs) {
        break;
      }
      if (nowMs >= pending.dueMs(pending.sentAtMs + commandTimeoutMs, this.#seenBytes)) {
        pending.giveUp();
      }
    }
    const oldest = inFlight.first;
    const isSilent =
      oldest !== undefined &&
      nowMs >= oldest.silenceEndsMs(Math.max(this.#lastReadMs, oldest.sentAtMs), commandTimeoutMs);
    const isUnproven = this.#proofDueMs !== undefined && nowMs >= this.#proofDueMs;
    if (isSilent || isUnproven) {
      onSilent();
    }
  }
}
