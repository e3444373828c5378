/**
 * Tests that a missing script is loaded once for all concurrent callers.
 */
import { defineScript } from './lua-script.ts';
import { ScriptLoads } from './script-loads.ts';

const script = defineScript('one', 'return 1');

test('shares a load among concurrent callers, skips it for one refused before its end, and loads again later', async () => {
  const loads = new ScriptLoads();
  let nowMs = 10;
  let count = 0;
  let finish = (): void => undefined;
  const load = (): Promise<void> => {
    count += 1;
    return new Promise((resolve) => {
      finish = resolve;
    });
  };
  const callers = [1, 2, 3].map((sentAtMs) => loads.ensure(script, sentAtMs, () => nowMs, load));
  expect(count).toBe(1);
  finish();
  await Promise.all(callers);
  await loads.ensure(script, 9, () => nowMs, load);
  expect(count).toBe(1);
  nowMs = 20;
  const later = loads.ensure(script, 11, () => nowMs, load);
  expect(count).toBe(2);
  finish();
  await later;
});

test('rejects all waiting callers if a load fails, and starts another for the next caller', async () => {
  const loads = new ScriptLoads();
  const fail = (): Promise<never> => Promise.reject(new Error('no'));
  const callers = [1, 2].map((sentAtMs) => loads.ensure(script, sentAtMs, () => 5, fail));
  for (const outcome of await Promise.allSettled(callers)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'no' } });
  }
  await loads.ensure(
    script,
    1,
    () => 5,
    async () => undefined,
  );
});
