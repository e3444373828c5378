/**
 * Bytes that all connections of a transport hold together, and the share of one.
 *
 * Promise: many peers that each stay below their own bound are bounded too, and do not hurt a modest one. Over the common
 * bound only those are refused that hold more than an equal share of it. Peers that come one after the other may each reach
 * the share of their moment, so the sum is at most the bound times 1 + ln(peers), and one step of each.
 */

/** What all hold. */
export class Pool {
  readonly #maxBytes: number;
  #bytes = 0;
  /** Connections that hold anything. */
  #holders = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  move(ownBefore: number, ownAfter: number): void {
    this.#bytes += ownAfter - ownBefore;
    if (ownBefore === 0 && ownAfter > 0) {
      this.#holders += 1;
    } else if (ownBefore > 0 && ownAfter === 0) {
      this.#holders -= 1;
    }
  }

  /** Whether one that holds `ownBytes` is to hold no more. */
  isOver(ownBytes: number): boolean {
    return this.#bytes > this.#maxBytes && ownBytes > this.#maxBytes / Math.max(1, this.#holders);
  }
}

/** What one connection holds of a pool. */
export class Share {
  readonly #pool: Pool;
  #bytes = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#pool.move(this.#bytes, this.#bytes + bytes);
    this.#bytes += bytes;
  }

  isOver(): boolean {
    return this.#pool.isOver(this.#bytes);
  }
}

export interface SharedBudget {
  /** Unfinished requests. */
  readonly held: Pool;
  /** Answers that peers have not taken: in our queues and in their sockets. */
  readonly waiting: Pool;
}
