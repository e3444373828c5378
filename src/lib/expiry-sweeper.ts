/**
 * Removes expired entries from the maps of a store within seconds, even if no call accesses these entries.
 *
 * Invariants:
 *   1. The sweeper removes an expired entry within `SWEEP_INTERVAL_MS`. If many entries have expired, the sweeper
 *      continues in every turn of the event loop until none is left. If the clock was set forward, the sweeper notices
 *      the change within `MAX_WAIT_MS`.
 *   2. Each turn of the event loop drops at most `ENTRIES_PER_TURN` entries per map.
 *   3. No timer runs while the maps are empty, and no timer keeps the process alive.
 */
import { BoundedMap, type BoundedMapOptions } from './bounded-map.ts';

/** Minimum time between sweeps, so that one sweep removes all entries that expire in this time. */
const SWEEP_INTERVAL_MS = 1_000;
/** Maximum delay of the timer. The delay is short, because sessions and limits expire by Unix time, which may jump. */
const MAX_WAIT_MS = 10_000;
/** Maximum number of entries that one turn drops per map. Dropping this many entries takes less than a millisecond. */
const ENTRIES_PER_TURN = 500;

type Maps = Pick<BoundedMap<unknown>, 'earliestExpiryMs' | 'sweep'>[];

export class ExpirySweeper {
  /** Clock that determines whether an entry has expired. */
  readonly #nowMs: () => number;
  readonly #maps: Maps = [];
  #timer: NodeJS.Timeout | undefined;
  /** Time of the next sweep: infinite if none is planned, negative infinity during a sweep. */
  #dueMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Creates a map, which the sweeper sweeps until `close`. */
  createMap<Value>(options: Omit<BoundedMapOptions<Value>, 'onEarlierEnd'>): BoundedMap<Value> {
    const map = new BoundedMap<Value>({ ...options, onEarlierEnd: (expiresAtMs) => this.#plan(expiresAtMs) });
    this.#maps.push(map);
    return map;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Plans a sweep for an entry that expires at `expiresAtMs`, unless an earlier sweep is planned. */
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
