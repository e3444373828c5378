/**
 * Lists the commands in flight on one connection, in send order.
 *
 * The list is a linked list and not a Set, because every command is added and removed once, and both operations must be
 * cheap. A removed command has no links to its former neighbors. Otherwise the garbage collector could not free later
 * commands while an old removed command is still in memory (see queue-guard.ts).
 */

/** Fields of every member of the list. */
export interface InFlightNode {
  next: InFlightNode | undefined;
  previous: InFlightNode | undefined;
  isListed: boolean;
}

export class InFlight<Item extends InFlightNode> {
  #first: InFlightNode | undefined;
  #last: InFlightNode | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Member that was added first; undefined if the list is empty. */
  get first(): Item | undefined {
    return this.#first as Item | undefined;
  }

  add(item: Item): void {
    item.isListed = true;
    item.previous = this.#last;
    if (this.#last === undefined) {
      this.#first = item;
    } else {
      this.#last.next = item;
    }
    this.#last = item;
    this.#size += 1;
  }

  /** Removes the item from the list. Returns false if the item is not in the list. */
  remove(item: Item): boolean {
    if (!item.isListed) {
      return false;
    }
    if (item.previous === undefined) {
      this.#first = item.next;
    } else {
      item.previous.next = item.next;
    }
    if (item.next === undefined) {
      this.#last = item.previous;
    } else {
      item.next.previous = item.previous;
    }
    item.next = undefined;
    item.previous = undefined;
    item.isListed = false;
    this.#size -= 1;
    return true;
  }

  /** Yields the members in insertion order. The list must not change during the iteration. */
  *values(): Generator<Item> {
    for (let item = this.#first; item !== undefined; item = item.next) {
      yield item as Item;
    }
  }
}
