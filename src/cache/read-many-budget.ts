/**
 * Limits the total number of bytes that CacheGetMany calls have reserved for replies of Redis. A call that exceeds the
 * budget waits in a queue.
 *
 * Invariants:
 *   1. All reservations together never exceed `maxBytes`. A larger single reservation is reduced to `maxBytes`.
 *   2. The queue is first in, first out, so small reservations cannot starve a large reservation.
 *   3. At most `maxWaiting` callers wait, and `reserve` returns undefined to further callers. A caller never waits
 *      longer than its `maxWaitMs`, however long other callers keep their reservations.
 */

export interface Reservation {
  /** Reduces the reservation to `bytes` and returns the difference to the budget. Never enlarges the reservation. */
  shrinkTo(bytes: number): void;
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: (reservation: Reservation) => void;
}

/** Maximum delay of a timer, in ms. Node.js fires a timer with a longer delay immediately. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class ReadManyBudget {
  readonly #maxBytes: number;
  readonly #maxWaiting: number;
  readonly #waiting: Waiter[] = [];
  #reservedBytes = 0;

  constructor(options: { readonly maxBytes: number; readonly maxWaiting: number }) {
    this.#maxBytes = options.maxBytes;
    this.#maxWaiting = options.maxWaiting;
  }

  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  /**
   * Returns a reservation, or a promise of a reservation if the budget is exhausted. Returns undefined if too many
   * callers wait. The promise resolves to undefined after `maxWaitMs`.
   */
  reserve(bytes: number, maxWaitMs: number): Reservation | undefined | Promise<Reservation | undefined> {
    const reserved = Math.min(bytes, this.#maxBytes);
    if (this.#waiting.length === 0 && this.#fits(reserved)) {
      return this.#take(reserved);
    }
    if (this.#waiting.length >= this.#maxWaiting || maxWaitMs <= 0) {
      return undefined;
    }
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        resolve(undefined);
        this.#grant();
      };
      const timer = setTimeout(giveUp, Math.min(maxWaitMs, MAX_TIMER_MS)).unref();
      const waiter: Waiter = {
        bytes: reserved,
        grant: (reservation) => {
          clearTimeout(timer);
          resolve(reservation);
        },
      };
      this.#waiting.push(waiter);
    });
  }

  #fits(bytes: number): boolean {
    return this.#reservedBytes + bytes <= this.#maxBytes;
  }

  #take(bytes: number): Reservation {
    this.#reservedBytes += bytes;
    let heldBytes = bytes;
    const shrinkTo = (nextBytes: number): void => {
      const returnedBytes = Math.max(0, heldBytes - nextBytes);
      heldBytes -= returnedBytes;
      this.#reservedBytes -= returnedBytes;
      this.#grant();
    };
    return { shrinkTo, release: () => shrinkTo(0) };
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      next.grant(this.#take(next.bytes));
    }
  }
}
