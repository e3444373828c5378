/**
 * Compares the order of an ExpiryHeap after random changes with a sorted list.
 */
import fc from 'fast-check';
import { type Expiring, ExpiryHeap } from './expiry-heap.ts';

interface Item extends Expiring {
  expiresAtMs: number;
}

test('returns the item that expires first after random additions, moves and removals', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'move', 'remove', 'remove first'),
    which: fc.nat(1_000),
    expiresAtMs: fc.nat(50),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new ExpiryHeap<Item>();
      const items: Item[] = [];
      for (const { kind, which, expiresAtMs } of steps) {
        const item = kind === 'remove first' ? heap.first : items[which % items.length];
        if (kind === 'add' || item === undefined) {
          const added = { expiresAtMs: expiresAtMs, heapIndex: -1 };
          items.push(added);
          heap.add(added, expiresAtMs);
        } else if (kind === 'move') {
          item.expiresAtMs = expiresAtMs;
          heap.move(item, expiresAtMs);
        } else {
          items.splice(items.indexOf(item), 1);
          heap.remove(item);
        }
        const earliest = Math.min(...items.map((each) => each.expiresAtMs));
        expect(heap.firstExpiryMs).toBe(earliest);
        expect(heap.first?.expiresAtMs ?? Number.POSITIVE_INFINITY).toBe(earliest);
        expect(items.map((each) => heap.expiryMsOf(each))).toEqual(items.map((each) => each.expiresAtMs));
        expect(new Set(items.map((each) => each.heapIndex)).size).toBe(items.length);
      }
    }),
    { numRuns: 500 },
  );
});
