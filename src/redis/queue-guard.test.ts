/**
 * Tests that a removed queue node has no references and that the queue still works.
 */
import { EmptyAwareSinglyLinkedList, SinglyLinkedList } from '@redis/client/dist/lib/client/linked-list.js';
import { guardQueues } from './queue-guard.ts';

test('is still needed, because a removed node keeps its successor without it', () => {
  const queue = new SinglyLinkedList<string>();
  const node = queue.push('first');
  queue.push('second');
  queue.shift();
  const { value, next } = node as { value: unknown; next: { value: unknown } | undefined };
  expect([value, next?.value]).toEqual(['first', 'second']);
});

test('clears a removed node and preserves order and length', () => {
  guardQueues();
  guardQueues();
  const queue = new EmptyAwareSinglyLinkedList<number>();
  const nodes = Array.from({ length: 5 }, (_, index) => queue.push(index));
  const taken: (number | undefined)[] = [];
  while (queue.length > 0) {
    taken.push(queue.shift());
  }
  expect(taken).toEqual([0, 1, 2, 3, 4]);
  expect(nodes.map((node) => [node.value, node.next])).toEqual(nodes.map(() => [undefined, undefined]));
  expect(queue.shift()).toBeUndefined();
  queue.push(7);
  expect([queue.length, queue.shift(), queue.length]).toEqual([1, 7, 0]);
});
