/**
 * Tests the budget of reply bytes: reservations never exceed the budget, and the queue is bounded and first in, first
 * out.
 */
import { ReadManyBudget, type Reservation } from './read-many-budget.ts';

const WAIT_MS = 60_000;

async function isPending(promise: unknown): Promise<boolean> {
  const pending = Symbol();
  return (await Promise.race([promise, Promise.resolve(pending)])) === pending;
}

function now(reservation: ReturnType<ReadManyBudget['reserve']>): Reservation {
  expect(reservation).not.toBeInstanceOf(Promise);
  return reservation as Reservation;
}

test('grants reservations that fit at once, and queued ones in order as bytes are returned', async () => {
  const budget = new ReadManyBudget({ maxBytes: 100, maxWaiting: 10 });
  const first = now(budget.reserve(60, WAIT_MS));
  const large = budget.reserve(80, WAIT_MS);
  const small = budget.reserve(10, WAIT_MS);
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

test('grants a reservation larger than the budget only while there is no other', async () => {
  const budget = new ReadManyBudget({ maxBytes: 100, maxWaiting: 10 });
  const huge = now(budget.reserve(1_000, WAIT_MS));
  expect(budget.reservedBytes).toBe(100);
  const next = budget.reserve(1, WAIT_MS);
  expect(await isPending(next)).toBe(true);
  huge.release();
  (await (next as Promise<Reservation>)).release();
  expect(budget.reservedBytes).toBe(0);
});

test('returns undefined at once if too many callers wait', () => {
  const budget = new ReadManyBudget({ maxBytes: 1, maxWaiting: 2 });
  now(budget.reserve(1, WAIT_MS));
  expect(budget.reserve(1, WAIT_MS)).toBeInstanceOf(Promise);
  expect(budget.reserve(1, WAIT_MS)).toBeInstanceOf(Promise);
  expect(budget.reserve(1, WAIT_MS)).toBeUndefined();
});

test('shrinkTo never enlarges a reservation', () => {
  const budget = new ReadManyBudget({ maxBytes: 100, maxWaiting: 1 });
  const reservation = now(budget.reserve(40, WAIT_MS));
  reservation.shrinkTo(60);
  expect(budget.reservedBytes).toBe(40);
  reservation.shrinkTo(10);
  reservation.shrinkTo(30);
  expect(budget.reservedBytes).toBe(10);
});

test('resolves to undefined after the maximum wait and grants the next reservation in the queue', async () => {
  const budget = new ReadManyBudget({ maxBytes: 100, maxWaiting: 10 });
  const first = now(budget.reserve(60, WAIT_MS));
  expect(budget.reserve(80, 0)).toBeUndefined();
  const impatient = budget.reserve(80, 10);
  const behind = budget.reserve(40, WAIT_MS);
  expect(await impatient).toBeUndefined();
  (await (behind as Promise<Reservation>)).release();
  first.release();
  expect(budget.reservedBytes).toBe(0);
});
