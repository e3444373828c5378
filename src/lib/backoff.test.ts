/**
 * Tests that backoffMs grows exponentially up to its maximum, with jitter.
 */
import { backoffMs } from './backoff.ts';

test('doubles up to the maximum, within the upper half of each step', () => {
  const least = [0, 1, 2, 3, 4, 100].map((attempt) => backoffMs(attempt, { firstMs: 50, maxMs: 250, random: () => 0 }));
  const most = [0, 1, 2, 3, 4, 100].map((attempt) => backoffMs(attempt, { firstMs: 50, maxMs: 250, random: () => 1 }));
  expect(least).toEqual([25, 50, 100, 125, 125, 125]);
  expect(most).toEqual([50, 100, 200, 250, 250, 250]);
});
