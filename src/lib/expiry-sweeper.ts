/**
 * Removes ended entries from the maps of a store within seconds, without any call.
 *
 * Promises:
 *   1. An entry leaves within `SWEEP_INTERVAL_MS` after its end, or later while many have ended: then the sweeper works in every turn of the
 *      event loop until none is left. A clock that was set forward is noticed within `MAX_WAIT_MS`.
 *   2. A turn of the event loop drops at most `ENTRIES_PER_TURN` entries of each map.
 *   3. No timer runs while no entry can end, and no timer keeps the process alive.
 */
import { BoundedMap, type BoundedMapOptions } from './bounded-map.ts';

/** What ends in between leaves together. */
const SWEEP_INTERVAL_MS = 1_000;
/** Unix time, by which sessions and limits end, may jump while a timer waits. */
const MAX_WAIT_MS = 10_000;
/** Takes less than a millisecond. */
const ENTRIES_PER_TURN = 500;

type Maps = Pick<BoundedMap<unknown>, 'earliestExpiryMs' | 'sweep'>[];

export class ExpirySweeper {
  /** The clock by which the entries end. */
  readonly #nowMs: () => number;
  readonly #maps: Maps = [];
  #timer: NodeJS.Timeout | undefined;
  /** When the next sweep begins; infinite while none is planned, in the past during one. */
  #dueMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A map that is swept until `close`. */
  createMap<Value>(options: Omit<BoundedMapOptions<Value>, 'onEarlierEnd'>): BoundedMap<Value> {
    const map = new BoundedMap<Value>({ ...options, onEarlierEnd: (expiresAtMs) => this.#plan(expiresAtMs) });
    this.#maps.push(map);
    return map;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Sweeps when an entry has ended that ends at `expiresAtMs`, unless a sweep is planned before. */
  #plan(expiresAtMs: number): void {
    const nowMs = this.#nowMs();
    const dueMs = Math.max(expiresAtMs, nowMs + SWEEP_INTERVAL_MS);
    if (this.#isClosed || dueMs >= this.#dueMs) {
      return;
    }
    this.#dueMs = dueMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#sweep(), Math.min(dueMs - nowMs, MAX_WAIT_MS));
    this.#timer.unref();
  }

  #sweep(): void {
    if (this.#isClosed) {
      return;
    }
    this.#dueMs = Number.NEGATIVE_INFINITY;
    const nowMs = this.#nowMs();
    let hasMore = false;
    for (const map of this.#maps) {
      hasMore = map.sweep(nowMs, ENTRIES_PER_TURN) === ENTRIES_PER_TURN || hasMore;
    }
    if (hasMore) {
      setImmediate(() => this.#sweep());
      return;
    }
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#plan(Math.min(...this.#maps.map((map) => map.earliestExpiryMs)));
  }
}
