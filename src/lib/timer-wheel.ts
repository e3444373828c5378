/**
 * One timer for any number of deadlines.
 *
 * A timer or an AbortSignal per call costs more than the call (node-redis' own per-command timeout: 3 to 6 times,
 * docs/internals/redis-connections.md). Here a deadline is an entry in a ring of slots; one interval walks the ring, and stops while
 * nothing is scheduled.
 *
 * Promises:
 *   1. A callback runs at its time or up to two ticks after it (later only when the event loop itself is late), never before.
 *   2. `cancel` is O(1) and a cancelled callback never runs.
 *   3. The interval does not keep the process alive.
 */
import type { Clock } from './clock.ts';

const SLOT_COUNT = 512;

/** An entry of the wheel. Opaque: hand it back to `cancel`. */
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

  /** Entries that are scheduled and neither run nor cancelled. */
  get size(): number {
    return this.#size;
  }

  /** Runs `callback` once `clock.monotonicMs()` has reached `dueMs`. */
  schedule(dueMs: number, callback: () => void): TimerEntry {
    this.#start();
    // A deadline in the past still waits for the next tick, so that a callback never runs inside schedule().
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

  /** Runs what is due. The interval calls it; a test with a fake clock calls it itself. */
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

  /** Stops the interval. What is scheduled stays, and runs once something new is scheduled. */
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
    // Gathered first: a callback may cancel its neighbours.
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
    // A dead entry that has grown old would keep its neighbours, and they theirs, until the next full collection.
    entry.next = undefined;
    entry.previous = undefined;
    this.#size -= 1;
  }

  #tickOf(timeMs: number): number {
    return Math.floor(timeMs / this.#tickMs);
  }
}
