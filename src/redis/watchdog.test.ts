/**
 * When a connection is silent and when a command's time is over, on a clock that stands still.
 */
import { jest } from '@jest/globals';
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { InFlight } from './in-flight.ts';
import { PendingCommand } from './pending-command.ts';
import { Watchdog } from './watchdog.ts';

const TIMEOUT_MS = 250;
const KIB = 1_024;

let clock: FakeClock;
let inFlight: InFlight<PendingCommand>;
let watchdog: Watchdog;
let bytesRead: number;
let silentAtMs: number[];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['performance'] });
  clock = new FakeClock();
  inFlight = new InFlight();
  bytesRead = 0;
  silentAtMs = [];
  watchdog = new Watchdog({
    clock,
    commandTimeoutMs: TIMEOUT_MS,
    inFlight,
    onSilent: () => silentAtMs.push(clock.monotonicMs()),
  });
  watchdog.attach(() => bytesRead);
});

afterEach(() => {
  watchdog.stop();
  jest.useRealTimers();
});

function send(bytes: number, deadlineMs = 1_000): PendingCommand {
  const pending = new PendingCommand(bytes, clock.monotonicMs() + deadlineMs, {});
  const ahead = [...inFlight.values()].reduce((sum, one) => sum + one.bytes, 0);
  pending.sent(clock.monotonicMs(), ahead, bytesRead);
  pending.promise.catch(() => undefined);
  inFlight.add(pending);
  watchdog.start();
  return pending;
}

/** 10 ms at a time, as the watchdog checks. */
function pass(durationMs: number, each: () => void = () => undefined): void {
  for (let passedMs = 0; passedMs < durationMs; passedMs += 10) {
    clock.advance(10);
    each();
    jest.advanceTimersByTime(10);
  }
}

test('a small command is given up after the command timeout, and the connection is silent then', () => {
  const pending = send(100);
  pass(240);
  expect([pending.isSettled, silentAtMs]).toEqual([false, []]);
  pass(20);
  expect(pending.isSettled).toBe(true);
  expect(silentAtMs[0]).toBeLessThanOrEqual(TIMEOUT_MS + 10);
});

test('a steady stream of writes behind the oldest command does not extend what it is given', () => {
  send(200);
  // 1 MB/s: a tolerance for everything that was written would never end.
  pass(300, () => send(10_000));
  expect(silentAtMs[0]).toBeGreaterThanOrEqual(TIMEOUT_MS);
  expect(silentAtMs[0]).toBeLessThanOrEqual(TIMEOUT_MS + 50);
});

test('a large command has 1 ms more for each KiB, and so has who waits behind it', () => {
  const large = send(400 * KIB);
  const small = send(100);
  pass(640);
  expect([large.isSettled, small.isSettled, silentAtMs]).toEqual([false, false, []]);
  pass(30);
  expect([large.isSettled, small.isSettled]).toEqual([true, true]);
  expect(silentAtMs[0]).toBeLessThanOrEqual(670);
});

test('no command and no silence is tolerated beyond the deadline of the caller', () => {
  const large = send(4_000 * KIB);
  pass(1_000);
  expect(large.isSettled).toBe(true);
  expect(silentAtMs[0]).toBe(1_000);
});

test('a reply that arrives bit by bit extends the time of its command, and the connection is not silent', () => {
  const pending = send(100);
  // 3 MB/s
  pass(900, () => {
    bytesRead += 30_000;
  });
  expect([pending.isSettled, silentAtMs]).toEqual([false, []]);
  // It stops in the middle.
  pass(100);
  expect(pending.isSettled).toBe(true);
  pass(170);
  expect(silentAtMs.length).toBeGreaterThan(0);
});

test('a few bytes now and then keep the connection, and extend nothing noticeably', () => {
  const pending = send(100);
  pass(300, () => {
    bytesRead += 5;
  });
  expect([pending.isSettled, silentAtMs]).toEqual([true, []]);
});

test('a proof ends with the next byte', () => {
  watchdog.demandProof(0);
  expect(watchdog.isProving).toBe(true);
  pass(20);
  bytesRead += 7;
  pass(10);
  expect(watchdog.isProving).toBe(false);
  pass(500);
  expect(silentAtMs).toEqual([]);
});

test('a connection that proves nothing is silent after a fifth of the command timeout, longer behind large commands', () => {
  watchdog.demandProof(0);
  pass(40);
  expect(silentAtMs).toEqual([]);
  pass(10);
  expect(silentAtMs).toEqual([50]);
  watchdog.attach(() => bytesRead);
  silentAtMs = [];
  watchdog.demandProof(100 * KIB);
  pass(140);
  expect(silentAtMs).toEqual([]);
  pass(10);
  expect(silentAtMs).toHaveLength(1);
});

test('a connection with nothing in flight is not watched', () => {
  inFlight.remove(send(100));
  pass(20);
  expect(jest.getTimerCount()).toBe(0);
});
