/**
 * The pace of attempts to an address that cannot be reached, on a clock that stands still.
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

/** As a connection does it: attempts fail at once, until `isReachable` is set. */
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
  '%d connections to one address: many attempts at first, five at most from the 10th to the 20th second',
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

test('attempts are jittered', () => {
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

test('who gets through wakes the others at once', () => {
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

test('who was refused as a replica is not woken by a login, but by whoever knows better', () => {
  const refused = jest.fn();
  const retry = pacer.retry(ADDRESS, { failures: 10, isWokenBySuccess: false }, refused);
  pacer.succeeded(ADDRESS);
  expect(refused).not.toHaveBeenCalled();
  retry.now();
  expect(refused).toHaveBeenCalledTimes(1);
  pass(10_000);
  expect(refused).toHaveBeenCalledTimes(1);
});

test('a cancelled attempt is not made', () => {
  const attempt = jest.fn();
  pacer.retry(ADDRESS, { failures: 0, isWokenBySuccess: true }, attempt).cancel();
  pacer.succeeded(ADDRESS);
  pass(1_000);
  expect(attempt).not.toHaveBeenCalled();
});
