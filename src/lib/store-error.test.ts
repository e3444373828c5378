/**
 * Tests which of several errors is thrown, and how the error of an idempotent step is converted.
 */
import { harmless, StoreError, settleAll } from './store-error.ts';

const unavailable = new StoreError('unavailable', 'the node is unreachable');
const unknown = new StoreError('unknown', 'no answer');
const unexpected = new Error('broken');

test.each([
  ['an unexpected error', [unavailable, unknown, unexpected], unexpected],
  ['an unknown outcome', [unavailable, unknown], unknown],
  ['the first failure', [unavailable, new StoreError('forbidden', 'no')], unavailable],
])('throws %s if several steps fail', async (_which, failures, thrown) => {
  const steps = failures.map((failure) => Promise.reject(failure));
  await expect(settleAll([Promise.resolve(1), ...steps])).rejects.toBe(thrown);
});

test('returns the results in the order of the steps', async () => {
  expect(await settleAll([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2]);
});

test('waits for all steps before it throws', async () => {
  const slow = Promise.withResolvers<number>();
  let hasThrown = false;
  const settled = settleAll([Promise.reject(unknown), slow.promise]).catch(() => {
    hasThrown = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(hasThrown).toBe(false);
  slow.resolve(1);
  await settled;
  expect(hasThrown).toBe(true);
});

test('converts the unknown outcome of an idempotent step to unavailable, unless a permission is missing', async () => {
  const refused = new StoreError('unknown', 'no', { serverCode: 'NOPERM' });
  await expect(harmless(Promise.reject(unknown))).rejects.toMatchObject({ kind: 'unavailable', cause: unknown });
  await expect(harmless(Promise.reject(refused))).rejects.toBe(refused);
  await expect(harmless(Promise.reject(unexpected))).rejects.toBe(unexpected);
});
