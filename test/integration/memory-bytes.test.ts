/**
 * Tests that each memory store computes the size of its entries correctly: the computed size matches the measured
 * memory.
 *
 * A store that underestimates the size exhausts the heap before the computed size reaches the bound of the store. A
 * store that overestimates the size does not use a part of its quota.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';

interface Filled {
  readonly entries: number;
  readonly countedBytes: number;
  readonly measuredBytes: number;
}

/**
 * Maximum ratio of the bytes that a store computes to the bytes that the test measures. The ratio exceeds 1, because
 * stores assume two bytes per character, and because the measurement omits the overhead of malloc.
 */
const MAX_COUNTED_SHARE = 1.8;

function fill(...args: readonly string[]): string {
  const program = join(repositoryRoot, 'test', 'support', 'sidecar', 'memory-fill.ts');
  return execFileSync(process.execPath, ['--expose-gc', program, ...args], { encoding: 'utf8' });
}

const cases = JSON.parse(fill()) as string[];

test.each(cases)(
  'counts at least the measured bytes and not much more: %s',
  (name) => {
    const { entries, countedBytes, measuredBytes } = JSON.parse(fill(name)) as Filled;
    expect(entries).toBeGreaterThan(1_000);
    expect(countedBytes / measuredBytes).toBeGreaterThanOrEqual(1);
    expect(countedBytes / measuredBytes).toBeLessThan(MAX_COUNTED_SHARE);
  },
  60_000,
);
