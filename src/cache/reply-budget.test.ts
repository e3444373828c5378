/**
 * The budget of reply bytes: never exceeded, first come first served, and its line is bounded.
 */
import { ReplyBudget, type Reservation } from './reply-budget.ts';

async function isPending(promise: unknown): Promise<boolean> {
  const pending = Symbol();
  return (await Promise.race([promise, Promise.resolve(pending)])) === pending;
}

function now(reservation: ReturnType<ReplyBudget['reserve']>): Reservation {
  expect(reservation).not.toBeInstanceOf(Promise);
  return reservation as Reservation;
}

test('grants at once what fits, and the rest in order as bytes are returned', async () => {
  const budget = new ReplyBudget({ maxBytes: 100, maxWaiting: 10 });
  const first = now(budget.reserve(60));
  const large = budget.reserve(80);
  const small = budget.reserve(10);
  expect(await isPending(small)).toBe(true);
  first.shrinkTo(30);
  expect(await isPending(large)).toBe(true);
  first.shrinkTo(20);
  (await (large as Promise<Reservation>)).release();
  (await (small as Promise<Reservation>)).release();
  first.release();
  first.release();
  expect(budget.reservedBytes).toBe(0);
});

test('what alone exceeds the budget is granted alone', async () => {
  const budget = new ReplyBudget({ maxBytes: 100, maxWaiting: 10 });
  const huge = now(budget.reserve(1_000));
  expect(budget.reservedBytes).toBe(100);
  const next = budget.reserve(1);
  expect(await isPending(next)).toBe(true);
  huge.release();
  (await (next as Promise<Reservation>)).release();
  expect(budget.reservedBytes).toBe(0);
});

test('refuses at once when too many wait', () => {
  const budget = new ReplyBudget({ maxBytes: 1, maxWaiting: 2 });
  now(budget.reserve(1));
  expect(budget.reserve(1)).toBeInstanceOf(Promise);
  expect(budget.reserve(1)).toBeInstanceOf(Promise);
  expect(budget.reserve(1)).toBeUndefined();
});

test('a reservation only shrinks', () => {
  const budget = new ReplyBudget({ maxBytes: 100, maxWaiting: 1 });
  const reservation = now(budget.reserve(40));
  reservation.shrinkTo(60);
  expect(budget.reservedBytes).toBe(40);
  reservation.shrinkTo(10);
  reservation.shrinkTo(30);
  expect(budget.reservedBytes).toBe(10);
});
