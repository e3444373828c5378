/**
 * Tests the budget for large replies. Commands within the budget are sent together. Other commands are sent in order,
 * as soon as the budget permits.
 */
import { PendingCommand } from './pending-command.ts';
import { ReplyBudget } from './reply-budget.ts';

const MIB = 1_048_576;

function expecting(bytes: number, commandBytes = 10): PendingCommand {
  const pending = new PendingCommand(commandBytes, 1_000, { expectedReplyBytes: bytes });
  pending.promise.catch(() => undefined);
  return pending;
}

test('sends 16 MiB at once, and queues more in order without letting any overtake', () => {
  const budget = new ReplyBudget();
  const first = expecting(10 * MIB);
  const second = expecting(6 * MIB);
  expect([budget.take(first), budget.take(second)]).toEqual([true, true]);
  const [third, fourth] = [expecting(8 * MIB), expecting(1)];
  for (const pending of [third, fourth]) {
    expect(budget.take(pending)).toBe(false);
    expect(budget.wait(pending, ['GET', 'a'])).toBe(true);
  }
  budget.release(second);
  expect(budget.next()).toBeUndefined();
  budget.release(first);
  expect([budget.next(), budget.next(), budget.next()]).toEqual([third, fourth, undefined]);
});

test('sends a single command of any size if no other reply is expected', () => {
  const budget = new ReplyBudget();
  expect(budget.take(expecting(100 * MIB))).toBe(true);
  expect(budget.take(expecting(1))).toBe(false);
});

test('bounds the queue in commands and bytes, and frees the space of timed-out commands', () => {
  const budget = new ReplyBudget();
  budget.take(expecting(16 * MIB));
  const waiting = Array.from({ length: 1_000 }, () => expecting(1));
  expect(waiting.every((pending) => budget.wait(pending, []))).toBe(true);
  expect(budget.wait(expecting(1), [])).toBe(false);
  waiting[7]?.giveUp();
  expect(budget.wait(expecting(1), [])).toBe(true);
  expect(budget.wait(expecting(1), [])).toBe(false);
  expect(budget.clear()).toHaveLength(1_000);
  expect(budget.wait(expecting(1, 16 * MIB), [])).toBe(true);
  expect(budget.wait(expecting(1, 1), [])).toBe(false);
});

test('never sends a command that timed out in the queue', async () => {
  const budget = new ReplyBudget();
  const first = expecting(16 * MIB);
  budget.take(first);
  const late = expecting(1);
  const next = expecting(1);
  budget.wait(late, []);
  budget.wait(next, []);
  late.giveUp();
  await expect(late.promise).rejects.toMatchObject({ kind: 'deadline' });
  budget.release(first);
  expect(budget.next()).toBe(next);
});
