/**
 * Tests that docs/internals/transport-limits.md lists the current limits.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../../../test/support/repository.ts';
import { HTTP2_LIMITS, limitsMarkdown, limitsWithin } from './http2-limits.ts';

test('docs/internals/transport-limits.md is generated from the current table (make docs)', () => {
  const text = readFileSync(join(repositoryRoot, 'docs', 'internals', 'transport-limits.md'), 'utf8');
  expect(text).toBe(limitsMarkdown());
});

test('lowers the global limits in a small container, and never exceeds the values of the table', () => {
  const { maxBufferedRequestBytes, maxBufferedAnswerBytes } = HTTP2_LIMITS;
  expect(limitsWithin(0)).toEqual({ maxBufferedRequestBytes, maxBufferedAnswerBytes });
  expect(limitsWithin(2 ** 62)).toEqual({ maxBufferedRequestBytes, maxBufferedAnswerBytes });
  expect(limitsWithin(192 * 1024 * 1024)).toEqual({
    maxBufferedRequestBytes: 24 * 1024 * 1024,
    maxBufferedAnswerBytes: 24 * 1024 * 1024,
  });
});
