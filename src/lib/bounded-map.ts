/**
 * A map that cannot outgrow its bounds: entries and bytes, least recently used first out, with expiry.
 *
 * The memory stores and the near cache live in it. It relies on Map keeping insertion order: a read that counts as use
 * re-inserts its entry, so the first key is always the least recently used.
 *
 * Promises:
 *   1. `size <= maxEntries` and `bytes <= maxBytes` after every call; a single entry above maxBytes is refused (false).
 *   2. An expired entry is never returned. Expired entries leave when they are met, when room is needed (they lie first
 *      among the victims that `set` looks at) or by `sweep`.
 *   3. `onEvict` hears of every entry that leaves without `delete`: 'expired' or 'evicted'.
 */
export type EvictionReason = 'expired' | 'evicted';

export interface BoundedMapOptions<Value> {
  maxEntries: number;
  maxBytes: number;
  onEvict?: (key: string, value: Value, reason: EvictionReason) => void;
}

interface Entry<Value> {
  value: Value;
  bytes: number;
  expiresAtMs: number;
}

/** What a Map slot, its key's header and our Entry cost besides the key's and value's own bytes; measured, rounded up. */
const ENTRY_OVERHEAD_BYTES = 120;

export class BoundedMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #onEvict: ((key: string, value: Value, reason: EvictionReason) => void) | undefined;
  #bytes = 0;
  /** No entry expires before. */
  #earliestEndMs = Number.POSITIVE_INFINITY;

  constructor(options: BoundedMapOptions<Value>) {
    if (!Number.isSafeInteger(options.maxEntries) || options.maxEntries < 1) {
      throw new RangeError(`Cannot build a BoundedMap: maxEntries is ${options.maxEntries}, wanted a positive integer`);
    }
    if (!Number.isSafeInteger(options.maxBytes) || options.maxBytes < 1) {
      throw new RangeError(`Cannot build a BoundedMap: maxBytes is ${options.maxBytes}, wanted a positive integer`);
    }
    this.#maxEntries = options.maxEntries;
    this.#maxBytes = options.maxBytes;
    this.#onEvict = options.onEvict;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of all entries, each with its key and a fixed overhead. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The value, marked as used, or undefined when there is none or it has expired. */
  get(key: string, nowMs: number): Value | undefined {
    const entry = this.#live(key, nowMs);
    if (entry === undefined) {
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** The value without marking it as used. */
  peek(key: string, nowMs: number): Value | undefined {
    return this.#live(key, nowMs)?.value;
  }

  /** Whether `set` of an entry of this size would have to evict something that is alive. */
  isFullFor(key: string, valueBytes: number, nowMs: number): boolean {
    const entryBytes = bytesOf(key, valueBytes);
    const old = this.#entries.get(key);
    const extraEntries = old === undefined ? 1 : 0;
    const extraBytes = entryBytes - (old?.bytes ?? 0);
    const overflows = () =>
      this.#entries.size + extraEntries > this.#maxEntries || this.#bytes + extraBytes > this.#maxBytes;
    // A full map is looked through only when something in it may have expired: not for every call that it refuses.
    if (overflows() && nowMs >= this.#earliestEndMs) {
      this.sweep(nowMs, this.#entries.size);
    }
    return overflows();
  }

  /**
   * Stores a value until `expiresAtMs`, evicting the least recently used to make room. False, and nothing stored, when
   * it alone is larger than the map may be.
   */
  set(key: string, value: Value, options: { bytes: number; expiresAtMs: number; nowMs: number }): boolean {
    const entryBytes = bytesOf(key, options.bytes);
    if (entryBytes > this.#maxBytes) {
      return false;
    }
    this.delete(key);
    this.#entries.set(key, { value, bytes: entryBytes, expiresAtMs: options.expiresAtMs });
    this.#bytes += entryBytes;
    this.#earliestEndMs = Math.min(this.#earliestEndMs, options.expiresAtMs);
    this.#makeRoom(options.nowMs);
    return true;
  }

  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      return false;
    }
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    return true;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** Drops expired entries among the `limit` least recently used; gives back how many it dropped. */
  sweep(nowMs: number, limit: number): number {
    let looked = 0;
    let dropped = 0;
    let earliestEndMs = Number.POSITIVE_INFINITY;
    for (const [key, entry] of this.#entries) {
      if (looked === limit) {
        return dropped;
      }
      looked += 1;
      if (entry.expiresAtMs <= nowMs) {
        this.#evict(key, entry, 'expired');
        dropped += 1;
      } else {
        earliestEndMs = Math.min(earliestEndMs, entry.expiresAtMs);
      }
    }
    this.#earliestEndMs = earliestEndMs;
    return dropped;
  }

  #live(key: string, nowMs: number): Entry<Value> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      return undefined;
    }
    if (entry.expiresAtMs <= nowMs) {
      this.#evict(key, entry, 'expired');
      return undefined;
    }
    return entry;
  }

  #isOver(): boolean {
    return this.#entries.size > this.#maxEntries || this.#bytes > this.#maxBytes;
  }

  #makeRoom(nowMs: number): void {
    // Not walked for nothing: its first step goes past the holes that used entries left behind, of 10,000 entries 5 us of a `set`.
    if (!this.#isOver()) {
      return;
    }
    for (const [key, entry] of this.#entries) {
      if (!this.#isOver()) {
        return;
      }
      this.#evict(key, entry, entry.expiresAtMs <= nowMs ? 'expired' : 'evicted');
    }
  }

  #evict(key: string, entry: Entry<Value>, reason: EvictionReason): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    this.#onEvict?.(key, entry.value, reason);
  }
}

function bytesOf(key: string, valueBytes: number): number {
  return key.length * 2 + valueBytes + ENTRY_OVERHEAD_BYTES;
}
