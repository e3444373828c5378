/**
 * Items in the order in which they end: a binary heap whose items know their place, so that any of them can leave or move.
 *
 * Invariants:
 *   1. No item ends before the one that `first` returns.
 *   2. `heapIndex` of an item is its place; nobody else writes it.
 *   3. Adding, moving and removing an item take a number of steps that grows with the logarithm of the size. An item that ends after all
 *      others, which is the usual one, is added in one step.
 */
export interface Expiring {
  expiresAtMs: number;
  heapIndex: number;
}

export class ExpiryHeap<Item extends Expiring> {
  readonly #items: Item[] = [];

  /** The item that ends first. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  add(item: Item): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Restores the order after `expiresAtMs` of the item has changed. */
  move(item: Item): void {
    this.#rise(item, item.heapIndex);
    this.#sink(item, item.heapIndex);
  }

  remove(item: Item): void {
    const last = this.#items.pop();
    if (last === undefined || last === item) {
      return;
    }
    last.heapIndex = item.heapIndex;
    this.move(last);
  }

  clear(): void {
    this.#items.length = 0;
  }

  /** Places the item at `index` or above it. */
  #rise(item: Item, index: number): void {
    const items = this.#items;
    let place = index;
    while (place > 0) {
      const parentIndex = (place - 1) >> 1;
      const parent = items[parentIndex] as Item;
      if (parent.expiresAtMs <= item.expiresAtMs) {
        break;
      }
      items[place] = parent;
      parent.heapIndex = place;
      place = parentIndex;
    }
    items[place] = item;
    item.heapIndex = place;
  }

  /** Places the item at `index` or below it. */
  #sink(item: Item, index: number): void {
    const items = this.#items;
    let place = index;
    while (true) {
      let childIndex = 2 * place + 1;
      let child = items[childIndex];
      if (child === undefined) {
        break;
      }
      const right = items[childIndex + 1];
      if (right !== undefined && right.expiresAtMs < child.expiresAtMs) {
        childIndex += 1;
        child = right;
      }
      if (child.expiresAtMs >= item.expiresAtMs) {
        break;
      }
      items[place] = child;
      child.heapIndex = place;
      place = childIndex;
    }
    items[place] = item;
    item.heapIndex = place;
  }
}
