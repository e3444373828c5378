/**
 * Tests the times of topology refreshes on a simulated clock.
 */
import { RefreshPace } from './refresh-pace.ts';

/** Returns the start times of refreshes, in ms since a master went missing. */
function startsDuring(durationMs: number, random: () => number): number[] {
  const pace = new RefreshPace(random);
  const starts: number[] = [];
  for (let nowMs = 0; nowMs < durationMs; ) {
    starts.push(nowMs);
    pace.note(new Set(['a:1']), nowMs);
    nowMs += pace.nextMs(nowMs);
  }
  return starts;
}

test.each([0, 0.5, 0.999])(
  'reads at least every 250 ms for 5 s in trouble, and at most five times between 10 s and 20 s (jitter %d)',
  (jitter) => {
    const starts = startsDuring(20_000, () => jitter);
    const gaps = starts.map((start, index) => start - (starts[index - 1] ?? 0));
    expect(gaps[1]).toBeLessThanOrEqual(100);
    expect(Math.max(...gaps.filter((_, index) => (starts[index] ?? 0) < 5_000))).toBeLessThanOrEqual(250);
    expect(starts.filter((start) => start >= 10_000).length).toBeLessThanOrEqual(5);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(4_000);
  },
);

test('restarts the fast pace when another item goes missing', () => {
  const pace = new RefreshPace(() => 0.999);
  for (let nowMs = 0; nowMs < 20_000; ) {
    pace.note(new Set(['a:1']), nowMs);
    nowMs += pace.nextMs(nowMs);
  }
  expect(pace.isLongTrouble(20_000)).toBe(true);
  pace.note(new Set(['a:1', 'b:1']), 20_000);
  expect(pace.isLongTrouble(20_000)).toBe(false);
  expect(pace.nextMs(20_000)).toBeLessThanOrEqual(100);
});

test('reads a healthy deployment every 5 s while channels are watched, otherwise every 30 s', () => {
  const pace = new RefreshPace();
  pace.note(new Set(), 0);
  expect(pace.nextMs(0)).toBeGreaterThanOrEqual(3_750);
  expect(pace.nextMs(0)).toBeLessThanOrEqual(5_000);
  expect([pace.isDue(5_000, true), pace.isDue(5_000, false), pace.isDue(30_000, false)]).toEqual([true, false, true]);
});

test('shares a refresh among requests for 250 ms, and during a long outage refreshes early only after a recovery', () => {
  const pace = new RefreshPace();
  pace.note(new Set(['a:1', 'b:1']), 0);
  expect([0, 100, 250, 900].map((nowMs) => pace.requestedMs(nowMs, 0))).toEqual([250, 150, 0, 0]);
  expect(pace.requestedMs(5_000, 0)).toBeUndefined();
  pace.note(new Set(['a:1']), 5_000);
  expect(pace.requestedMs(5_000, 0)).toBe(0);
  pace.nextMs(5_000);
  expect(pace.requestedMs(5_000, 0)).toBeUndefined();
});
