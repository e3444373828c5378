/**
 * Checks of request fields: both bounds, and the texts.
 */
import { checkBytes, checkCount, checkInteger, invalidEnum } from './request-checks.ts';

const BOUNDS = { min: 1, max: 4 };

test.each<[string, () => void]>([
  ['text at its bounds', () => checkBytes('f', 'éé', BOUNDS)],
  ['bytes at their bounds', () => checkBytes('f', Buffer.alloc(1), BOUNDS)],
  ['a list', () => checkCount('f', 4, BOUNDS)],
  ['an integer', () => checkInteger('f', 4, BOUNDS)],
  ['no integer', () => checkInteger('f', undefined, BOUNDS)],
])('accepts %s', (_what, check) => {
  expect(check).not.toThrow();
});

test.each<[string, () => void, string]>([
  ['empty text', () => checkBytes('f', '', BOUNDS), 'f is empty, wanted 1 to 4 bytes'],
  ['text that is too long in bytes', () => checkBytes('f', 'ééé', BOUNDS), 'f is 6 bytes long, wanted 1 to 4 bytes'],
  ['an empty list', () => checkCount('f', 0, BOUNDS), 'f is a list of 0, wanted 1 to 4'],
  ['a long list', () => checkCount('f', 5, { min: 0, max: 4 }), 'f is a list of 5, wanted at most 4'],
  ['an integer below', () => checkInteger('f', 0, BOUNDS), 'f is 0, wanted 1 to 4'],
  ['an integer of 64 bits', () => checkInteger('f', 2n ** 60n, BOUNDS), 'f is 1152921504606846976, wanted 1 to 4'],
  ['a fraction', () => checkInteger('f', 1.5, BOUNDS), 'f is 1.5, wanted 1 to 4'],
])('refuses %s', (_what, check, text) => {
  expect(check).toThrow(`cannot act: ${text}`);
});

test('the error for an enum lists the names that are served', () => {
  expect(invalidEnum('on_failure', ['A', 'B'], 9).message).toBe('cannot act: on_failure must be one of A, B, got 9');
});
