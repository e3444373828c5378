/**
 * Tests the delays between attempts to connect to an unreachable address, on a simulated clock.
 */
import { jest } from '@jest/globals';
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { ConnectPacer } from './connect-pacer.ts';

const ADDRESS = '127.0.0.1:6379';

let clock: FakeClock;
let pacer: ConnectPacer;
let attempts: number[];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['performance'] });
  clock = new FakeClock();
  pacer = new ConnectPacer(clock);
  attempts = [];
});

afterEach(() => {
  jest.useRealTimers();
});

/** Simulated connection. Its attempts to connect fail at once until `isReachable` is set. */
class Connection {
  isReachable = false;
  isWokenBySuccess = true;
  #failures = 0;

  begin(): void {
    attempts.push(clock.monotonicMs());
    pacer.began(ADDRESS);
    if (this.isReachable) {
      pacer.succeeded(ADDRESS);
      return;
    }
    pacer.failed(ADDRESS);
    const options = { failures: this.#failures, isWokenBySuccess: this.isWokenBySuccess };
    this.#failures += 1;
    pacer.retry(ADDRESS, options, () => this.begin());
  }
}

function pass(durationMs: number): void {
  for (let passedMs = 0; passedMs < durationMs; passedMs += 5) {
    clock.advance(5);
    jest.advanceTimersByTime(5);
  }
}

function between(fromMs: number, toMs: number): number {
  return attempts.filter((atMs) => atMs >= fromMs && atMs < toMs).length;
}

test.each([1, 2, 8])(
  'makes at most five attempts from the 10th to the 20th second with %d connections to one address',
  (count) => {
    const connections = Array.from({ length: count }, () => new Connection());
    for (const connection of connections) {
      connection.begin();
    }
    pass(20_000);
    expect(between(0, 1_000)).toBeGreaterThanOrEqual(3);
    expect(between(10_000, 20_000)).toBeGreaterThanOrEqual(2);
    expect(between(10_000, 20_000)).toBeLessThanOrEqual(5);
  },
);

test('adds jitter to attempts', () => {
  const seconds = new Set(
    Array.from({ length: 10 }, () => {
      attempts = [];
      pacer = new ConnectPacer(clock);
      const beganAtMs = clock.monotonicMs();
      new Connection().begin();
      pass(8_000);
      return Math.round((attempts.at(-1) ?? 0) - beganAtMs);
    }),
  );
  expect(seconds.size).toBeGreaterThan(3);
});

test('starts all waiting attempts at once when one succeeds', () => {
  const [first, second] = [new Connection(), new Connection()];
  first.begin();
  second.begin();
  pass(20_000);
  first.isReachable = true;
  second.isReachable = true;
  const before = attempts.length;
  pacer.succeeded(ADDRESS);
  expect(attempts.length).toBe(before + 2);
});

test('does not start the attempt to a refused replica when another login succeeds, but on `now`', () => {
  const refused = jest.fn();
  const retry = pacer.retry(ADDRESS, { failures: 10, isWokenBySuccess: false }, refused);
  pacer.succeeded(ADDRESS);
  expect(refused).not.toHaveBeenCalled();
  retry.now();
  expect(refused).toHaveBeenCalledTimes(1);
  pass(10_000);
  expect(refused).toHaveBeenCalledTimes(1);
});

test('does not make a cancelled attempt', () => {
  const attempt = jest.fn();
  pacer.retry(ADDRESS, { failures: 0, isWokenBySuccess: true }, attempt).cancel();
  pacer.succeeded(ADDRESS);
  pass(1_000);
  expect(attempt).not.toHaveBeenCalled();
});
