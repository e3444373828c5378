/**
 * Whether the other side of a connection is still there, judged by the bytes that arrive from it.
 *
 *   1. A command ends when its time is over, 10 ms later at most; after one more read of the sockets where our event loop was blocked.
 *   2. The connection is silent when nothing at all has arrived for as long as the oldest command in flight allows (pending-command.ts):
 *      what was written after that command does not count, so that a half-open connection is found under a steady stream of writes too.
 *   3. A proof that was demanded ends with the next byte that arrives, or finds the connection silent.
 *   4. A connection with nothing in flight and no proof demanded is not watched, and costs nothing.
 */
import type { Clock } from '../lib/clock.ts';
import type { InFlight } from './in-flight.ts';
import type { PendingCommand } from './pending-command.ts';

/** How often a connection with something in flight is checked. */
export const WATCH_MS = 10;
/** If a check comes so much later than the one before, our event loop was blocked. */
const LATE_MS = 50;
/** A connection that must prove itself has a share of the command timeout for it. */
const PROOF_SHARE = 0.2;
const MAX_PROOF_MS = 100;
const BYTES_PER_MS = 1_024;

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
  readonly inFlight: InFlight<PendingCommand>;
  /** The connection is silent: it is to be dropped. */
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

  /** Another connection from now on. */
  attach(bytesRead: () => number): void {
    this.stop();
    this.#bytesRead = bytesRead;
  }

  /** Something is in flight. */
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

  /** Something must arrive soon: whoever demands this has just sent a command that is answered at once, behind `bytesAhead`. */
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
      // Not at each last reply: where commands come one by one the interval would be created again for each.
      this.stop();
    } else if (isLate) {
      // The replies may lie unread: sockets are read once before this is judged.
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
