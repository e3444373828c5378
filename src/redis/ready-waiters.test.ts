/**
 * Tests the queue of commands that wait for a connection: when the wait ends, and the limits on the waiting time, the
 * number of commands and their total size.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import { ReadyWaiters } from './ready-waiters.ts';

const clock = new FakeClock();
const wheel = new TimerWheel({ clock });

afterAll(() => wheel.close());

test('wakes all commands when a connection is ready, and leaves no timer', async () => {
  const waiters = new ReadyWaiters(wheel);
  const waits = [waiters.wait(10, clock.monotonicMs() + 50), waiters.wait(10, clock.monotonicMs() + 50)];
  expect([waiters.size, wheel.size]).toEqual([2, 2]);
  waiters.wakeAll();
  await Promise.all(waits);
  expect([waiters.size, wheel.size]).toEqual([0, 0]);
});

test('ends a wait at its time limit', async () => {
  const waiters = new ReadyWaiters(wheel);
  const wait = waiters.wait(10, clock.monotonicMs() + 50);
  clock.advance(70);
  wheel.advance();
  await wait;
  expect(waiters.size).toBe(0);
});

test('queues at most 2,000 commands or 16 MiB, but a single command of any size', async () => {
  const waiters = new ReadyWaiters(wheel);
  const dueMs = clock.monotonicMs() + 50;
  const waits = Array.from({ length: 2_000 }, () => waiters.wait(1, dueMs));
  await waiters.wait(1, dueMs);
  waiters.wakeAll();
  await Promise.all(waits);
  const large = waiters.wait(100_000_000, dueMs);
  expect(waiters.size).toBe(1);
  await waiters.wait(1, dueMs);
  waiters.wakeAll();
  await large;
});
