/**
 * Tests the bounds and the error messages of the checks of request fields.
 */
import { checkBytes, checkCount, checkInteger, invalidEnum } from './request-checks.ts';
import { Status, StatusError } from './status.ts';

const BOUNDS = { min: 1, max: 4 };

test.each<[string, () => void]>([
  ['a string at its maximum length', () => checkBytes('f', 'éé', BOUNDS)],
  ['bytes at their minimum length', () => checkBytes('f', Buffer.alloc(1), BOUNDS)],
  ['a list at its maximum length', () => checkCount('f', 4, BOUNDS)],
  ['an integer at its maximum', () => checkInteger('f', 4, BOUNDS)],
  ['an unset integer', () => checkInteger('f', undefined, BOUNDS)],
])('accepts %s', (_what, check) => {
  expect(check).not.toThrow();
});

test.each<[string, () => void, string]>([
  ['an empty string', () => checkBytes('f', '', BOUNDS), 'f must be 1 to 4 bytes long, got 0 bytes'],
  [
    'a string that is too long in bytes',
    () => checkBytes('f', 'ééé', { min: 0, max: 4 }),
    'f must be at most 4 bytes long, got 6 bytes',
  ],
  ['an empty list', () => checkCount('f', 0, BOUNDS), 'f must be a list of 1 to 4 entries, got 0 entries'],
  [
    'a list that is too long',
    () => checkCount('f', 5, { min: 0, max: 4 }),
    'f must be a list of at most 4 entries, got 5 entries',
  ],
  ['an integer below the minimum', () => checkInteger('f', 0, BOUNDS), 'f must be between 1 and 4, got 0'],
  [
    'a bigint above the maximum',
    () => checkInteger('f', 2n ** 60n, BOUNDS),
    'f must be between 1 and 4, got 1152921504606846976',
  ],
  ['a fraction', () => checkInteger('f', 1.5, BOUNDS), 'f must be between 1 and 4, got 1.5'],
])('rejects %s', (_what, check, text) => {
  expect(check).toThrow(new StatusError(Status.INVALID_ARGUMENT, text));
});

test('the error for an unknown enum value lists the supported names', () => {
  expect(invalidEnum('on_failure', ['A', 'B'], 9).message).toBe('on_failure must be one of A, B, got 9');
});
