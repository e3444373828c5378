/**
 * Implements a timer wheel, which needs only one timer for any number of deadlines.
 *
 * A timer or an AbortSignal per call costs more than the call itself. The per-command timeout of node-redis costs 3 to
 * 6 times as much as the command (docs/internals/redis-connections.md). In the wheel, a deadline is an entry in a ring
 * of slots. One interval advances through the ring, and stops while nothing is scheduled.
 *
 * Invariants:
 *   1. A callback never runs early. The callback runs at most two ticks late, or later if the event loop is blocked.
 *   2. `cancel` takes constant time, and a cancelled callback never runs.
 *   3. The interval does not keep the process alive.
 */
import type { Clock } from './clock.ts';

const SLOT_COUNT = 512;

/** Entry of the wheel. Callers may only pass an entry to `cancel`. */
export interface TimerEntry {
  dueMs: number;
  callback: (() => void) | undefined;
  next: TimerEntry | undefined;
  previous: TimerEntry | undefined;
  slot: number;
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: (TimerEntry | undefined)[] = new Array<TimerEntry | undefined>(SLOT_COUNT).fill(undefined);
  #lastTick: number;
  #size = 0;
  #interval: NodeJS.Timeout | undefined;

  constructor(options: { clock: Clock; tickMs?: number }) {
    this.#clock = options.clock;
    this.#tickMs = options.tickMs ?? 5;
    this.#lastTick = this.#tickOf(this.#clock.monotonicMs());
  }

  /** Number of entries that have neither run nor been cancelled. */
  get size(): number {
    return this.#size;
  }

  /** Runs `callback` once `clock.monotonicMs()` has reached `dueMs`. */
  schedule(dueMs: number, callback: () => void): TimerEntry {
    this.#start();
    // Even if `dueMs` has passed, the callback runs at the next tick, so that the callback never runs inside
    // schedule().
    const tick = Math.max(this.#tickOf(dueMs) + 1, this.#lastTick + 1);
    const slot = tick % SLOT_COUNT;
    const entry: TimerEntry = { dueMs, callback, next: this.#slots[slot], previous: undefined, slot };
    if (entry.next !== undefined) {
      entry.next.previous = entry;
    }
    this.#slots[slot] = entry;
    this.#size += 1;
    return entry;
  }

  cancel(entry: TimerEntry): void {
    if (entry.callback === undefined) {
      return;
    }
    entry.callback = undefined;
    this.#unlink(entry);
  }

  /**
   * Runs the callbacks that are due. The interval calls this method; tests with a fake clock call the method directly.
   */
  advance(): void {
    const nowMs = this.#clock.monotonicMs();
    const nowTick = this.#tickOf(nowMs);
    const firstTick = Math.max(this.#lastTick + 1, nowTick - SLOT_COUNT + 1);
    this.#lastTick = nowTick;
    for (let tick = firstTick; tick <= nowTick; tick += 1) {
      this.#runSlot(tick % SLOT_COUNT, nowMs);
    }
    if (this.#size === 0) {
      this.close();
    }
  }

  /** Stops the interval. Scheduled entries remain, and their callbacks run after the next call of `schedule`. */
  close(): void {
    clearInterval(this.#interval);
    this.#interval = undefined;
  }

  #start(): void {
    if (this.#interval !== undefined) {
      return;
    }
    if (this.#size === 0) {
      this.#lastTick = this.#tickOf(this.#clock.monotonicMs());
    }
    this.#interval = setInterval(() => this.advance(), this.#tickMs);
    this.#interval.unref();
  }

  #runSlot(slot: number, nowMs: number): void {
    // The method collects all due entries before it runs any callback, because a callback may cancel neighbors of its
    // entry.
    const due: TimerEntry[] = [];
    for (let entry = this.#slots[slot]; entry !== undefined; entry = entry.next) {
      if (entry.dueMs <= nowMs) {
        due.push(entry);
      }
    }
    for (const entry of due) {
      const { callback } = entry;
      if (callback !== undefined) {
        this.cancel(entry);
        callback();
      }
    }
  }

  #unlink(entry: TimerEntry): void {
    if (entry.previous === undefined) {
      this.#slots[entry.slot] = entry.next;
    } else {
      entry.previous.next = entry.next;
    }
    if (entry.next !== undefined) {
      entry.next.previous = entry.previous;
    }
    // A removed entry in the old generation would keep its former neighbors alive until the next full garbage
    // collection.
    entry.next = undefined;
    entry.previous = undefined;
    this.#size -= 1;
  }

  #tickOf(timeMs: number): number {
    return Math.floor(timeMs / this.#tickMs);
  }
}
