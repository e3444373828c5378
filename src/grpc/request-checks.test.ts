/**
 * Checks of request fields: both bounds, and the texts.
 */
import { checkBytes, checkCount, checkInteger, invalidEnum } from './request-checks.ts';

const BOUNDS = { min: 1, max: 4 };

test.each<[string, () => void]>([
  ['text at its bounds', () => checkBytes('act', 'f', 'éé', BOUNDS)],
  ['bytes at their bounds', () => checkBytes('act', 'f', Buffer.alloc(1), BOUNDS)],
  ['a list', () => checkCount('act', 'f', 4, BOUNDS)],
  ['an integer', () => checkInteger('act', 'f', 4, BOUNDS)],
  ['no integer', () => checkInteger('act', 'f', undefined, BOUNDS)],
])('accepts %s', (_what, check) => {
  expect(check).not.toThrow();
});

test.each<[string, () => void, string]>([
  ['empty text', () => checkBytes('act', 'f', '', BOUNDS), 'f is empty, wanted 1 to 4 bytes'],
  [
    'text that is too long in bytes',
    () => checkBytes('act', 'f', 'ééé', BOUNDS),
    'f is 6 bytes long, wanted 1 to 4 bytes',
  ],
  ['an empty list', () => checkCount('act', 'f', 0, BOUNDS), 'f is a list of 0, wanted 1 to 4'],
  ['a long list', () => checkCount('act', 'f', 5, { min: 0, max: 4 }), 'f is a list of 5, wanted at most 4'],
  ['an integer below', () => checkInteger('act', 'f', 0, BOUNDS), 'f is 0, wanted 1 to 4'],
  [
    'an integer of 64 bits',
    () => checkInteger('act', 'f', 2n ** 60n, BOUNDS),
    'f is 1152921504606846976, wanted 1 to 4',
  ],
  ['a fraction', () => checkInteger('act', 'f', 1.5, BOUNDS), 'f is 1.5, wanted 1 to 4'],
])('refuses %s', (_what, check, text) => {
  expect(check).toThrow(`Cannot act: ${text}`);
});

test('the error for an enum lists the names that are served', () => {
  expect(invalidEnum('act', 'on_failure', ['A', 'B'], 9).message).toBe(
    'Cannot act: on_failure must be one of A, B, got 9',
  );
});
