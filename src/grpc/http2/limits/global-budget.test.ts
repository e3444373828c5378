/**
 * Tests which connections are refused when the global budget is exceeded, and that the budget counts every byte once.
 */
import fc from 'fast-check';
import { ConnectionBudget, GlobalBudget } from './global-budget.ts';

test('refuses no connection below the limit, however unequal their usage is', () => {
  const total = new GlobalBudget(100);
  const [greedy, modest] = [new ConnectionBudget(total), new ConnectionBudget(total)];
  greedy.add(99);
  modest.add(1);
  expect([greedy.isOver(), modest.isOver()]).toEqual([false, false]);
});

test('refuses the connections above an equal quota when the limit is exceeded', () => {
  const total = new GlobalBudget(100);
  const greedy = Array.from({ length: 4 }, () => new ConnectionBudget(total));
  for (const connection of greedy) {
    connection.add(30);
  }
  const modest = new ConnectionBudget(total);
  modest.add(20);
  expect(greedy.map((connection) => connection.isOver())).toEqual([true, true, true, true]);
  expect(modest.isOver()).toBe(false);
});

test('equals the sum of all connections after any history, and is bounded if refused connections add nothing', () => {
  const step = fc.record({ who: fc.nat(9), bytes: fc.integer({ min: 1, max: 30 }), gives: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const total = new GlobalBudget(100);
      const connections = Array.from({ length: 10 }, () => new ConnectionBudget(total));
      for (const { who, bytes, gives } of steps) {
        const connection = connections[who] as ConnectionBudget;
        if (gives) {
          connection.add(-Math.min(bytes, connection.bytes));
        } else if (!connection.isOver()) {
          connection.add(bytes);
        }
        expect(total.bytes).toBe(connections.reduce((sum, one) => sum + one.bytes, 0));
        expect(total.bytes).toBeLessThan(100 * (1 + Math.log(10)) + 10 * 30);
      }
    }),
  );
});
