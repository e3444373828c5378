/**
 * Tests that the list of commands in flight behaves like a Set and that removed members have no links to their former
 * neighbors.
 */
import fc from 'fast-check';
import { InFlight, type InFlightNode } from './in-flight.ts';

interface Item extends InFlightNode {
  readonly number: number;
}

test('holds the same members in the same order as a Set through random histories', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 200 }), (numbers) => {
      const items = Array.from({ length: 10 }, (_, number): Item => {
        return { number, next: undefined, previous: undefined, isListed: false };
      });
      const list = new InFlight<Item>();
      const model = new Set<Item>();
      for (const number of numbers) {
        const item = items[number] as Item;
        if (model.has(item)) {
          expect(list.remove(item)).toBe(model.delete(item));
          expect([item.next, item.previous]).toEqual([undefined, undefined]);
        } else {
          expect(list.remove(item)).toBe(false);
          list.add(item);
          model.add(item);
        }
        expect([...list.values()].map((each) => each.number)).toEqual([...model].map((each) => each.number));
        expect(list.size).toBe(model.size);
      }
    }),
  );
});
