/**
 * Implements a heap of items that are ordered by expiry. Each item stores its index, so that the heap can remove or
 * move any item.
 *
 * A node has four children, and a separate array contains the expiry times. A comparison of four children therefore
 * reads only one or two cache lines. With two children and the expiry times in the items, a write into a full map of
 * 100,000 entries took 1.3 us instead of 0.9 us (on a busy machine).
 *
 * Invariants:
 *   1. No item expires before the item that `first` returns.
 *   2. `heapIndex` of an item is its index in the heap. No other module writes `heapIndex`.
 *   3. Adding, moving and removing an item takes time logarithmic in the size. Adding an item that expires after all
 *      others, which is the common case, takes constant time.
 */
export interface Expiring {
  heapIndex: number;
}

const CHILDREN = 4;

export class ExpiryHeap<Item extends Expiring> {
  readonly #items: Item[] = [];
  /** Expiry time of the item at the same index. */
  readonly #expiriesMs: number[] = [];

  /** Item that expires first. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  /** Expiry time of the first item; infinite if there is none. */
  get firstExpiryMs(): number {
    return this.#expiriesMs[0] ?? Number.POSITIVE_INFINITY;
  }

  expiryMsOf(item: Item): number {
    return this.#expiriesMs[item.heapIndex] as number;
  }

  add(item: Item, expiresAtMs: number): void {
    this.#items.push(item);
    this.#expiriesMs.push(expiresAtMs);
    this.#rise(item, expiresAtMs, this.#items.length - 1);
  }

  /** Changes the expiry time of the item. */
  move(item: Item, expiresAtMs: number): void {
    if (expiresAtMs < this.expiryMsOf(item)) {
      this.#rise(item, expiresAtMs, item.heapIndex);
    } else {
      this.#sink(item, expiresAtMs, item.heapIndex);
    }
  }

  remove(item: Item): void {
    const last = this.#items.pop();
    const lastExpiryMs = this.#expiriesMs.pop();
    if (last === undefined || lastExpiryMs === undefined || last === item) {
      return;
    }
    // The last item moves to the index of the removed item. At this index, the heap still contains the expiry time of
    // the removed item, which `move` replaces.
    last.heapIndex = item.heapIndex;
    this.#items[last.heapIndex] = last;
    this.move(last, lastExpiryMs);
  }

  clear(): void {
    this.#items.length = 0;
    this.#expiriesMs.length = 0;
  }

  /** Places the item at `index` or at an ancestor of `index`. */
  #rise(item: Item, expiresAtMs: number, index: number): void {
    let place = index;
    while (place > 0) {
      const parent = Math.floor((place - 1) / CHILDREN);
      const parentExpiryMs = this.#expiriesMs[parent] as number;
      if (parentExpiryMs <= expiresAtMs) {
        break;
      }
      this.#place(this.#items[parent] as Item, parentExpiryMs, place);
      place = parent;
    }
    this.#place(item, expiresAtMs, place);
  }

  /** Places the item at `index` or at a descendant of `index`. */
  #sink(item: Item, expiresAtMs: number, index: number): void {
    const expiriesMs = this.#expiriesMs;
    let place = index;
    while (true) {
      const firstChild = CHILDREN * place + 1;
      const afterChildren = Math.min(firstChild + CHILDREN, expiriesMs.length);
      let least = firstChild;
      for (let child = firstChild + 1; child < afterChildren; child += 1) {
        if ((expiriesMs[child] as number) < (expiriesMs[least] as number)) {
          least = child;
        }
      }
      if (firstChild >= expiriesMs.length || (expiriesMs[least] as number) >= expiresAtMs) {
        break;
      }
      this.#place(this.#items[least] as Item, expiriesMs[least] as number, place);
      place = least;
    }
    this.#place(item, expiresAtMs, place);
  }

  #place(item: Item, expiresAtMs: number, index: number): void {
    this.#items[index] = item;
    this.#expiriesMs[index] = expiresAtMs;
    item.heapIndex = index;
  }
}
