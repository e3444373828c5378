/**
 * A budget of bytes for replies that are asked for but not yet answered on: who may not have them now waits in line.
 *
 * Invariants:
 *   1. The reservations held never exceed `maxBytes` in total; one that alone is larger counts as `maxBytes`.
 *   2. First come, first served: a large reservation is not overtaken for ever by small ones.
 *   3. At most `maxWaiting` wait; `reserve` refuses more. No caller waits longer than its own deadline, however long others hold their reservations.
 */

export interface Reservation {
  /** Returns what exceeds this many bytes: the replies turned out to be smaller. */
  shrinkTo(bytes: number): void;
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: (reservation: Reservation) => void;
}

/** A timer of more than this fires at once. */
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

  /** Resolves once the bytes are reserved; undefined at once when too many wait, and after `maxWaitMs`. */
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
