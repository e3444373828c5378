/**
 * Tests that docs/reference/grpc.md states the same limits that the code uses.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../../test/support/repository.ts';
import { TRANSPORT_LIMITS } from './transport.ts';

test.each(Object.entries(TRANSPORT_LIMITS))('docs/reference/grpc.md states %s = %i', (name, value) => {
  const text = readFileSync(join(repositoryRoot, 'docs', 'reference', 'grpc.md'), 'utf8');
  const row = text.split('\n').find((line) => line.includes(`(\`${name}\`)`));
  expect(row).toMatch(new RegExp(`\\| ${value}( bytes| ms)? \\|`));
});
