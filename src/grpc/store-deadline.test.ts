/**
 * Tests that docs/reference/grpc.md states the same store deadline that the code uses.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../test/support/repository.ts';
import { MARGIN_SHARE, MAX_MARGIN_MS } from './store-deadline.ts';

const SHARES: Readonly<Record<string, number>> = { 'a fifth': 0.2, 'two fifths': 0.4, half: 0.5 };

test('docs/reference/grpc.md states how long before the deadline the store must answer', () => {
  const text = readFileSync(join(repositoryRoot, 'docs', 'reference', 'grpc.md'), 'utf8').replaceAll(/\s+/g, ' ');
  const [, milliseconds, share = ''] =
    /(\d+) ms before the deadline \(or ([a-z ]+) of the remaining time, if that is less\)/.exec(text) ?? [];
  expect([Number(milliseconds), SHARES[share]]).toEqual([MAX_MARGIN_MS, MARGIN_SHARE]);
});
