/**
 * Tests the function that waits for a promise for a limited time.
 */
import { systemClock } from '../lib/clock.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import { settledBy } from './settled-by.ts';

const wheel = new TimerWheel({ clock: systemClock });

afterAll(() => wheel.close());

test('settles like the promise if that is in time', async () => {
  const dueMs = systemClock.monotonicMs() + 60_000;
  expect(await settledBy(Promise.resolve('value'), dueMs, wheel)).toBe('value');
  await expect(settledBy(Promise.reject(new Error('refused')), dueMs, wheel)).rejects.toThrow('refused');
});

test('resolves undefined after its time, and handles a later rejection', async () => {
  let fail = (_: Error): void => undefined;
  const promise = new Promise<string>((_, reject) => {
    fail = reject;
  });
  expect(await settledBy(promise, systemClock.monotonicMs() + 10, wheel)).toBeUndefined();
  fail(new Error('late'));
  await new Promise((resolve) => setImmediate(resolve));
});
