/**
 * Tests when a connection is treated as silent and when a command times out, on a simulated clock.
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

/** Advances the clock by 10 ms at a time, the interval of the watchdog. */
function pass(durationMs: number, each: () => void = () => undefined): void {
  for (let passedMs = 0; passedMs < durationMs; passedMs += 10) {
    clock.advance(10);
    each();
    jest.advanceTimersByTime(10);
  }
}

test('times out a small command after the command timeout, with a silent connection', () => {
  const pending = send(100);
  pass(240);
  expect([pending.isSettled, silentAtMs]).toEqual([false, []]);
  pass(20);
  expect(pending.isSettled).toBe(true);
  expect(silentAtMs[0]).toBeLessThanOrEqual(TIMEOUT_MS + 10);
});

test('does not extend the time limit of the oldest command by later writes', () => {
  send(200);
  // The test writes 1 MB/s. If all writes extended the time limit, the limit would never be reached.
  pass(300, () => send(10_000));
  expect(silentAtMs[0]).toBeGreaterThanOrEqual(TIMEOUT_MS);
  expect(silentAtMs[0]).toBeLessThanOrEqual(TIMEOUT_MS + 50);
});

test('adds 1 ms per KiB for a large command and for those behind it', () => {
  const large = send(400 * KIB);
  const small = send(100);
  pass(640);
  expect([large.isSettled, small.isSettled, silentAtMs]).toEqual([false, false, []]);
  pass(30);
  expect([large.isSettled, small.isSettled]).toEqual([true, true]);
  expect(silentAtMs[0]).toBeLessThanOrEqual(670);
});

test('tolerates no command and no silence beyond the deadline of the caller', () => {
  const large = send(4_000 * KIB);
  pass(1_000);
  expect(large.isSettled).toBe(true);
  expect(silentAtMs[0]).toBe(1_000);
});

test('extends the time limit while a reply arrives in parts, without silence', () => {
  const pending = send(100);
  // The reply arrives at 3 MB/s.
  pass(900, () => {
    bytesRead += 30_000;
  });
  expect([pending.isSettled, silentAtMs]).toEqual([false, []]);
  // The reply stops halfway.
  pass(100);
  expect(pending.isSettled).toBe(true);
  pass(170);
  expect(silentAtMs.length).toBeGreaterThan(0);
});

test('keeps the connection if a few bytes arrive now and then, without a noticeable extension', () => {
  const pending = send(100);
  pass(300, () => {
    bytesRead += 5;
  });
  expect([pending.isSettled, silentAtMs]).toEqual([true, []]);
});

test('ends a proof with the next byte', () => {
  watchdog.demandProof(0);
  expect(watchdog.isProving).toBe(true);
  pass(20);
  bytesRead += 7;
  pass(10);
  expect(watchdog.isProving).toBe(false);
  pass(500);
  expect(silentAtMs).toEqual([]);
});

test('is silent after a fifth of the command timeout without a proof, and later behind large commands', () => {
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

test('does not watch a connection with nothing in flight', () => {
  inFlight.remove(send(100));
  pass(20);
  expect(jest.getTimerCount()).toBe(0);
});
