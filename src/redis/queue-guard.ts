/**
 * Fixes a memory problem in the command queue of node-redis 6.3.
 *
 * A removed queue node keeps its value and the link to the next node. Once such a node is in V8's old generation, it
 * keeps all later commands alive until the next full collection, and V8 promotes them too. With 64 calls in flight this
 * used a seventh of the CPU time of a rate limit decision.
 *
 * This module wraps one method of the library. The library version is pinned, and a test fails if the wrapper has no
 * effect.
 */
import { SinglyLinkedList } from '@redis/client/dist/lib/client/linked-list.js';

interface Node {
  value: unknown;
  next: unknown;
}

let isGuarded = false;

/** Installs the fix once per process. Further calls have no effect. */
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
