/**
 * docs/transport-limits.md says the limits that hold.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../../../test/support/repository.ts';
import { limitsMarkdown } from './limits.ts';

test('docs/transport-limits.md is what the table says (make docs)', () => {
  const text = readFileSync(join(repositoryRoot, 'docs', 'transport-limits.md'), 'utf8');
  expect(text).toBe(limitsMarkdown());
});
