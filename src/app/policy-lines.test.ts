/**
 * Tests the lines of /readyz about the policy file.
 */
import { policyLines } from './policy-lines.ts';

test('returns no line without errors, and one line per error', () => {
  expect(policyLines({ count: 0, texts: [] })).toEqual([]);
  expect(policyLines({ count: 2, texts: ['one', 'two'] })).toEqual(['policy file: one', 'policy file: two']);
});

test('returns at most 6 lines of at most 700 characters', () => {
  const texts = Array.from({ length: 100 }, () => 'x'.repeat(5_000));
  const lines = policyLines({ count: 100, texts });
  expect(lines).toHaveLength(6);
  expect(lines.at(-1)).toBe('policy file: 95 more errors; see the log');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(700);
});
