/**
 * Bytes that all connections of a transport buffer together, and those of one connection.
 *
 * Invariants:
 *   1. Connections that each stay below their own bound are bounded together, too. Over the global bound only those are refused that
 *      buffer more than an equal quota of it, so that greedy peers do not hurt a modest one.
 *   2. Peers that come one after the other may each reach the quota of their moment, so the sum is at most the bound times
 *      1 + ln(peers), and one step of each.
 */

/** What all connections buffer. */
export class GlobalBudget {
  readonly #maxBytes: number;
  #bytes = 0;
  /** Connections that buffer anything. */
  #users = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  move(ownBefore: number, ownAfter: number): void {
    this.#bytes += ownAfter - ownBefore;
    if (ownBefore === 0 && ownAfter > 0) {
      this.#users += 1;
    } else if (ownBefore > 0 && ownAfter === 0) {
      this.#users -= 1;
    }
  }

  /** Whether a connection that buffers `ownBytes` must not buffer more. */
  isOver(ownBytes: number): boolean {
    return this.#bytes > this.#maxBytes && ownBytes > this.#maxBytes / Math.max(1, this.#users);
  }
}

/** What one connection buffers. */
export class ConnectionBudget {
  readonly #global: GlobalBudget;
  #bytes = 0;

  constructor(global: GlobalBudget) {
    this.#global = global;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#global.move(this.#bytes, this.#bytes + bytes);
    this.#bytes += bytes;
  }

  isOver(): boolean {
    return this.#global.isOver(this.#bytes);
  }
}

export interface GlobalBudgets {
  /** Unfinished requests, and open calls. */
  readonly requests: GlobalBudget;
  /** Answers that peers have not taken: in our queues and in their sockets. */
  readonly answers: GlobalBudget;
}
