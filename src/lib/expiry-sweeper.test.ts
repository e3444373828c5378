/**
 * Tests that an ExpirySweeper removes expired entries in bounded steps, and runs no timer while no entry can expire.
 */
import { jest } from '@jest/globals';
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { ExpirySweeper } from './expiry-sweeper.ts';

const BOUNDS = { maxEntries: 100_000, maxBytes: 100_000_000 };

describe('ExpirySweeper', () => {
  let clock: FakeClock;
  let sweeper: ExpirySweeper;

  beforeEach(() => {
    jest.useFakeTimers();
    clock = new FakeClock();
    sweeper = new ExpirySweeper(() => clock.nowMs());
  });

  afterEach(() => {
    sweeper.close();
    jest.useRealTimers();
  });

  /** Advances both clocks together in small steps. */
  function pass(durationMs: number): void {
    for (let passedMs = 0; passedMs < durationMs; passedMs += 100) {
      clock.advance(100);
      jest.advanceTimersByTime(100);
    }
  }

  function entry(lifeMs: number) {
    return { bytes: 1, expiresAtMs: clock.nowMs() + lifeMs, nowMs: clock.nowMs() };
  }

  test('removes the expired entries of each map within a second, and keeps the live ones', () => {
    const first = sweeper.createMap<string>(BOUNDS);
    const second = sweeper.createMap<string>(BOUNDS);
    first.set('hour', '', entry(3_600_000));
    first.set('ended', '', entry(2_000));
    second.set('ended', '', entry(1));
    pass(1_100);
    expect([first.size, second.size]).toEqual([2, 0]);
    pass(2_000);
    expect([first.size, second.size]).toEqual([1, 0]);
  });

  test('runs no timer before the first entry, after the last one, or for entries that never expire', () => {
    const map = sweeper.createMap<string>(BOUNDS);
    expect(jest.getTimerCount()).toBe(0);
    map.set('forever', '', { bytes: 1, expiresAtMs: Number.POSITIVE_INFINITY, nowMs: clock.nowMs() });
    expect(jest.getTimerCount()).toBe(0);
    map.set('ended', '', entry(1));
    map.set('ended too', '', entry(5_000));
    expect(jest.getTimerCount()).toBe(1);
    pass(7_000);
    expect(map.size).toBe(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('drops a bounded number of entries per turn of the event loop until all are gone', () => {
    const map = sweeper.createMap<string>(BOUNDS);
    for (let index = 0; index < 10_000; index += 1) {
      map.set(`key-${index}`, '', entry(1));
    }
    clock.advance(1_000);
    jest.advanceTimersToNextTimer();
    const sizes = [map.size];
    while (map.size > 0 && sizes.length < 1_000) {
      jest.advanceTimersToNextTimer();
      sizes.push(map.size);
    }
    expect(map.size).toBe(0);
    for (const [index, size] of sizes.entries()) {
      expect((sizes[index - 1] ?? 10_000) - size).toBeLessThanOrEqual(500);
    }
  });

  test('is not postponed by a stream of entries that each expire before the previous one', () => {
    const map = sweeper.createMap<string>(BOUNDS);
    map.set('ended', '', entry(1_000));
    for (let index = 0; index < 30; index += 1) {
      map.set(`key-${index}`, '', entry(100_000 - index));
      map.set(`past-${index}`, '', entry(-index));
      pass(100);
    }
    expect(map.peek('ended', 0)).toBeUndefined();
  });

  test('notices within seconds that the clock was set forward', () => {
    const map = sweeper.createMap<string>(BOUNDS);
    map.set('hour', '', entry(3_600_000));
    clock.skew(3_600_000);
    pass(10_000);
    expect(map.size).toBe(0);
  });

  test('sweeps nothing after close', () => {
    const map = sweeper.createMap<string>(BOUNDS);
    map.set('ended', '', entry(1));
    sweeper.close();
    map.set('ended too', '', entry(1));
    pass(3_000);
    expect(map.size).toBe(2);
    expect(jest.getTimerCount()).toBe(0);
  });
});
