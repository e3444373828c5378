/**
 * A map that cannot outgrow its bounds: entries and bytes, ended entries first out, then the least recently used.
 *
 * The memory stores and the near cache live in it. The order of use is a list through the entries. The order of a Map, with every use a
 * removal and a new entry, leaves holes before the oldest one, past which every eviction walks: a read and a write of a full map of 100,000
 * entries took 5 us in place of 1.7. The order of ends is a heap (expiry-heap.ts).
 *
 * Promises:
 *   1. `size <= maxEntries` and `bytes <= maxBytes` after every call; a single entry above maxBytes is refused (false).
 *   2. An ended entry is never returned. It leaves when it is met, when room is needed, or by `sweep`, which an ExpirySweeper calls.
 *   3. No live entry is evicted, and `isFullFor` does not report a full map, while it holds an ended one, whatever the order of use.
 *   4. `onEvict` hears of every entry that leaves without `delete`: 'expired' or 'evicted'. It must leave the map as it is.
 *   5. Reading an entry takes the same time however many there are. Writing one and making room for it takes a number of steps that
 *      grows with the logarithm of the size.
 */
import { ExpiryHeap } from './expiry-heap.ts';

export type EvictionReason = 'expired' | 'evicted';

export interface BoundedMapOptions<Value> {
  maxEntries: number;
  maxBytes: number;
  onEvict?: (key: string, value: Value, reason: EvictionReason) => void;
  /** An entry ends before all that were there. */
  onEarlierEnd?: (expiresAtMs: number) => void;
}

interface Entry<Value> {
  readonly key: string;
  value: Value;
  bytes: number;
  heapIndex: number;
  older: Entry<Value> | undefined;
  newer: Entry<Value> | undefined;
}

/** A slot of the Map and of the heap, the key's header and our Entry, besides the bytes of key and value; measured, rounded up. */
const ENTRY_OVERHEAD_BYTES = 216;

export class BoundedMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #onEvict: BoundedMapOptions<Value>['onEvict'];
  readonly #onEarlierEnd: BoundedMapOptions<Value>['onEarlierEnd'];
  readonly #byExpiry = new ExpiryHeap<Entry<Value>>();
  #oldest: Entry<Value> | undefined;
  #newest: Entry<Value> | undefined;
  #bytes = 0;

  constructor(options: BoundedMapOptions<Value>) {
    if (!Number.isSafeInteger(options.maxEntries) || options.maxEntries < 1) {
      throw new RangeError(`maxEntries must be a positive integer, got ${options.maxEntries}`);
    }
    if (!Number.isSafeInteger(options.maxBytes) || options.maxBytes < 1) {
      throw new RangeError(`maxBytes must be a positive integer, got ${options.maxBytes}`);
    }
    this.#maxEntries = options.maxEntries;
    this.#maxBytes = options.maxBytes;
    this.#onEvict = options.onEvict;
    this.#onEarlierEnd = options.onEarlierEnd;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of all entries, each with its key and a fixed overhead. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the next entry ends; infinite where none does. */
  get earliestExpiryMs(): number {
    return this.#byExpiry.firstExpiryMs;
  }

  /** The value, marked as used, or undefined when there is none or it has expired. */
  get(key: string, nowMs: number): Value | undefined {
    const entry = this.#live(key, nowMs);
    if (entry === undefined) {
      return undefined;
    }
    this.#use(entry);
    return entry.value;
  }

  /** The value without marking it as used. */
  peek(key: string, nowMs: number): Value | undefined {
    return this.#live(key, nowMs)?.value;
  }

  /**
   * Whether `set` of an entry of this size would have to evict something that is alive. `otherBytes` returns what else counts against the
   * same bound; `onEvict` may have changed it.
   */
  isFullFor(key: string, entry: { bytes: number; nowMs: number; otherBytes?: () => number }): boolean {
    const { bytes, nowMs, otherBytes = () => 0 } = entry;
    const old = this.#live(key, nowMs);
    const extraEntries = old === undefined ? 1 : 0;
    const extraBytes = entryBytes(key, bytes) - (old?.bytes ?? 0);
    while (this.#overflows(extraEntries, extraBytes + otherBytes())) {
      if (!this.#dropEnded(nowMs)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Stores a value until `expiresAtMs`, and makes room for it. False, and nothing stored, when
   * it alone is larger than the map may be.
   */
  set(key: string, value: Value, options: { bytes: number; expiresAtMs: number; nowMs: number }): boolean {
    const newBytes = entryBytes(key, options.bytes);
    if (newBytes > this.#maxBytes) {
      return false;
    }
    const { expiresAtMs } = options;
    const old = this.#entries.get(key);
    let entry: Entry<Value>;
    if (old === undefined) {
      entry = { key, value, bytes: newBytes, heapIndex: 0, older: undefined, newer: undefined };
      this.#entries.set(key, entry);
      this.#append(entry);
      this.#byExpiry.add(entry, expiresAtMs);
    } else {
      entry = old;
      this.#bytes -= old.bytes;
      old.value = value;
      old.bytes = newBytes;
      this.#use(old);
      this.#byExpiry.move(old, expiresAtMs);
    }
    this.#bytes += newBytes;
    if (entry.heapIndex === 0) {
      this.#onEarlierEnd?.(expiresAtMs);
    }
    this.#makeRoom(options.nowMs);
    return true;
  }

  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      return false;
    }
    this.#remove(entry);
    return true;
  }

  clear(): void {
    this.#entries.clear();
    this.#byExpiry.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#bytes = 0;
  }

  /** The least recently used first. */
  *keys(): IterableIterator<string> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) {
      yield entry.key;
    }
  }

  /** Drops at most `limit` ended entries, those that ended first; returns how many it dropped. */
  sweep(nowMs: number, limit: number): number {
    let dropped = 0;
    while (dropped < limit && this.#dropEnded(nowMs)) {
      dropped += 1;
    }
    return dropped;
  }

  #live(key: string, nowMs: number): Entry<Value> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      return undefined;
    }
    if (this.#byExpiry.expiryMsOf(entry) <= nowMs) {
      this.#evict(entry, 'expired');
      return undefined;
    }
    return entry;
  }

  #makeRoom(nowMs: number): void {
    while (this.#oldest !== undefined && this.#overflows(0, 0)) {
      if (!this.#dropEnded(nowMs)) {
        this.#evict(this.#oldest, 'evicted');
      }
    }
  }

  #overflows(extraEntries: number, extraBytes: number): boolean {
    return this.#entries.size + extraEntries > this.#maxEntries || this.#bytes + extraBytes > this.#maxBytes;
  }

  /** Whether there was an ended entry to drop. */
  #dropEnded(nowMs: number): boolean {
    const { first } = this.#byExpiry;
    if (first === undefined || this.#byExpiry.firstExpiryMs > nowMs) {
      return false;
    }
    this.#evict(first, 'expired');
    return true;
  }

  #evict(entry: Entry<Value>, reason: EvictionReason): void {
    this.#remove(entry);
    this.#onEvict?.(entry.key, entry.value, reason);
  }

  #remove(entry: Entry<Value>): void {
    this.#entries.delete(entry.key);
    this.#unlink(entry);
    this.#byExpiry.remove(entry);
    this.#bytes -= entry.bytes;
  }

  #use(entry: Entry<Value>): void {
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#append(entry);
    }
  }

  #append(entry: Entry<Value>): void {
    entry.older = this.#newest;
    if (this.#newest === undefined) {
      this.#oldest = entry;
    } else {
      this.#newest.newer = entry;
    }
    this.#newest = entry;
  }

  #unlink(entry: Entry<Value>): void {
    const { older, newer } = entry;
    if (older === undefined) {
      this.#oldest = newer;
    } else {
      older.newer = newer;
    }
    if (newer === undefined) {
      this.#newest = older;
    } else {
      newer.older = older;
    }
    // A neighbour of old would keep it alive (generational nepotism).
    entry.older = undefined;
    entry.newer = undefined;
  }
}

/** What an entry counts with its key, by the bytes of its value. */
export function entryBytes(key: string, valueBytes: number): number {
  return key.length * 2 + valueBytes + ENTRY_OVERHEAD_BYTES;
}
