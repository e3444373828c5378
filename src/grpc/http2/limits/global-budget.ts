/**
 * Counts the bytes that each connection buffers, and the bytes that all connections of a transport buffer together.
 *
 * Invariants:
 *   1. While the total exceeds the global limit, the budget refuses more bytes only for connections that buffer more
 *      than an equal quota of the limit. A peer for which the server buffers many bytes therefore does not affect other
 *      peers.
 *   2. Peers that arrive one after the other may each reach the quota that applied when they arrived. The total is at
 *      most the limit times 1 + ln(peers), plus the last addition of each peer.
 */

/** Buffered bytes of all connections. */
export class GlobalBudget {
  readonly #maxBytes: number;
  #bytes = 0;
  /** Number of connections that buffer any bytes. */
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

  /** Returns true if a connection that buffers `ownBytes` must not buffer any more bytes. */
  isOver(ownBytes: number): boolean {
    return this.#bytes > this.#maxBytes && ownBytes > this.#maxBytes / Math.max(1, this.#users);
  }
}

/** Buffered bytes of one connection. */
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
  /** Bytes of unfinished requests and open calls. */
  readonly requests: GlobalBudget;
  /** Bytes of responses that peers have not read, in our queues and in the sockets. */
  readonly answers: GlobalBudget;
}
