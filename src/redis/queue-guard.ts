/**
 * Puts right what the queue of node-redis 6.3 does to the garbage collector.
 *
 * A command that was answered leaves its queue, but its node keeps the value and the node after it. Once one such node has
 * grown old, every command after it is kept alive by its predecessor until the next full collection, and is promoted on the
 * way: what should die young is copied twice. With 64 calls in flight this was a seventh of the CPU of a decision.
 *
 * This wraps one method of the library; the version is pinned, and a test fails when it changes nothing any more.
 */
import { SinglyLinkedList } from '@redis/client/dist/lib/client/linked-list.js';

interface Node {
  value: unknown;
  next: unknown;
}

let isGuarded = false;

/** Once per process; safe to call again. */
export function guardQueues(): void {
  if (isGuarded) {
    return;
  }
  isGuarded = true;
  const queue = SinglyLinkedList.prototype;
  const { shift } = queue;
  queue.shift = function shiftAndForget(this: SinglyLinkedList<unknown>): unknown {
    const node = this.head as Node | undefined;
    const value = shift.call(this);
    if (node !== undefined) {
      node.next = undefined;
      node.value = undefined;
    }
    return value;
  };
}
