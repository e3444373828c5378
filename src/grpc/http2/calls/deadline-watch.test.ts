/**
 * Tests the shared deadline timer: it fires at the nearest deadline and then waits for the next one.
 */

import { waitFor } from '../../../../test/support/wait.ts';
import { systemClock } from '../../../lib/clock.ts';
import { DeadlineWatch } from './deadline-watch.ts';

function setUp(nextAfter: (nowMs: number) => number = () => Number.POSITIVE_INFINITY) {
  const fired: number[] = [];
  const watch = new DeadlineWatch({
    clock: systemClock,
    expire: (nowMs) => {
      fired.push(nowMs);
      return nextAfter(nowMs);
    },
  });
  return { watch, fired };
}

test('fires once, at the nearest deadline and not earlier', async () => {
  const { watch, fired } = setUp();
  const nowMs = systemClock.monotonicMs();
  watch.watch(nowMs + 60_000);
  watch.watch(nowMs + 40);
  watch.watch(nowMs + 50);
  await waitFor('the deadline', () => fired.length > 0);
  expect(fired[0]).toBeGreaterThanOrEqual(nowMs + 40 - 1);
  expect(fired).toHaveLength(1);
  watch.close();
});

test('continues with the deadline that expire returns', async () => {
  const endMs = systemClock.monotonicMs() + 200;
  const { watch, fired } = setUp((nowMs) => (nowMs < endMs ? nowMs + 20 : Number.POSITIVE_INFINITY));
  watch.watch(systemClock.monotonicMs() + 1);
  await waitFor('several deadlines', () => fired.length > 3);
  watch.close();
});

test('does not fire at once for a deadline beyond the maximum timeout of setTimeout', async () => {
  const { watch, fired } = setUp();
  watch.watch(systemClock.monotonicMs() + 2 ** 40);
  const endMs = performance.now() + 50;
  await waitFor('50 ms to pass', () => performance.now() > endMs);
  expect(fired).toEqual([]);
  watch.close();
});

test('ignores deadlines after close', async () => {
  const { watch, fired } = setUp();
  watch.close();
  watch.watch(systemClock.monotonicMs() + 1);
  const endMs = performance.now() + 50;
  await waitFor('50 ms to pass', () => performance.now() > endMs);
  expect(fired).toEqual([]);
});
