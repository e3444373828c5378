/**
 * Commands that wait for a connection: woken together, each bounded in time, all of them in number and bytes.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import { ReadyWaiters } from './ready-waiters.ts';

const clock = new FakeClock();
const wheel = new TimerWheel({ clock });

afterAll(() => wheel.close());

test('a connection wakes all, and no timer is left', async () => {
  const waiters = new ReadyWaiters(wheel);
  const waits = [waiters.wait(10, clock.monotonicMs() + 50), waiters.wait(10, clock.monotonicMs() + 50)];
  expect([waiters.size, wheel.size]).toEqual([2, 2]);
  waiters.wakeAll();
  await Promise.all(waits);
  expect([waiters.size, wheel.size]).toEqual([0, 0]);
});

test('a wait ends at its time', async () => {
  const waiters = new ReadyWaiters(wheel);
  const wait = waiters.wait(10, clock.monotonicMs() + 50);
  clock.advance(70);
  wheel.advance();
  await wait;
  expect(waiters.size).toBe(0);
});

test('beyond 2,000 commands or 16 MiB no command waits; one of any size may', async () => {
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
