/**
 * The commands in flight on one connection, in the order in which they were sent.
 *
 * A list of its own and not a Set: adding and removing are on the way of every command. A command that left keeps no neighbour,
 * or dead ones that have grown old would keep all later ones (see queue-guard.ts).
 */

/** What a member of the list carries. */
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

  /** The one that was added before all others. */
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

  /** False where it was not in the list. */
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

  /** In the order in which they were added; none may be added or removed meanwhile. */
  *values(): Generator<Item> {
    for (let item = this.#first; item !== undefined; item = item.next) {
      yield item as Item;
    }
  }
}
