/**
 * The common bound: who is refused when all hold too much, and that nothing is counted twice or forgotten.
 */
import fc from 'fast-check';
import { Pool, Share } from './global-budget.ts';

test('below the bound nobody is refused, however uneven', () => {
  const pool = new Pool(100);
  const [greedy, modest] = [new Share(pool), new Share(pool)];
  greedy.add(99);
  modest.add(1);
  expect([greedy.isOver(), modest.isOver()]).toEqual([false, false]);
});

test('over the bound those are refused that hold more than an equal share', () => {
  const pool = new Pool(100);
  const greedy = Array.from({ length: 4 }, () => new Share(pool));
  for (const share of greedy) {
    share.add(30);
  }
  const modest = new Share(pool);
  modest.add(20);
  expect(greedy.map((share) => share.isOver())).toEqual([true, true, true, true]);
  expect(modest.isOver()).toBe(false);
});

test('with every history the pool is the sum of its shares, and stays bounded where refusals are kept to', () => {
  const step = fc.record({ who: fc.nat(9), bytes: fc.integer({ min: 1, max: 30 }), gives: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const pool = new Pool(100);
      const shares = Array.from({ length: 10 }, () => new Share(pool));
      for (const { who, bytes, gives } of steps) {
        const share = shares[who] as Share;
        if (gives) {
          share.add(-Math.min(bytes, share.bytes));
        } else if (!share.isOver()) {
          share.add(bytes);
        }
        expect(pool.bytes).toBe(shares.reduce((sum, one) => sum + one.bytes, 0));
        expect(pool.bytes).toBeLessThan(100 * (1 + Math.log(10)) + 10 * 30);
      }
    }),
  );
});
