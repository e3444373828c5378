/**
 * Tests that a command settles once and in time, even if the event loop was blocked.
 */
import { FakeClock } from '../../test/support/lib/fake-clock.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import { PendingCommand } from './pending-command.ts';

const clock = new FakeClock();
const wheel = new TimerWheel({ clock });

function pendingFor(durationMs: number): PendingCommand {
  const pending = new PendingCommand(0, clock.monotonicMs() + durationMs, {});
  pending.limit(
    () => pending.deadlineAtMs,
    wheel,
    () => clock.monotonicMs(),
  );
  return pending;
}

function pass(durationMs: number): void {
  clock.advance(durationMs);
  wheel.advance();
}

afterAll(() => wheel.close());

test('settles by the reply, cancels its timer and ignores later events', async () => {
  const pending = pendingFor(100);
  expect(wheel.size).toBe(1);
  pending.resolve('first', wheel);
  pending.resolve('second', wheel);
  pending.reject(new Error('third'), wheel);
  pending.giveUp();
  expect(wheel.size).toBe(0);
  expect(await pending.promise).toBe('first');
});

test('settles as unknown at its time limit, and drops a later reply', async () => {
  const pending = pendingFor(100);
  pass(99);
  expect(wheel.size).toBe(1);
  pass(15);
  pending.resolve('late', wheel);
  await expect(pending.promise).rejects.toMatchObject({ kind: 'unknown' });
});

test('reads a reply waiting in the socket if the timer fires late', async () => {
  const answered = pendingFor(100);
  const silent = pendingFor(100);
  pass(1_000);
  answered.resolve('it was there', wheel);
  expect(await answered.promise).toBe('it was there');
  await expect(silent.promise).rejects.toMatchObject({ kind: 'unknown' });
});

test('settles with the cause of a lost connection, once', async () => {
  const pending = pendingFor(100);
  const cause = new Error('lost');
  pending.reject(cause, wheel);
  pass(200);
  await expect(pending.promise).rejects.toBe(cause);
});
