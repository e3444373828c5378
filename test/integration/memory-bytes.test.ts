/**
 * The bytes that the memory stores count are those that their entries take of a process.
 *
 * A store that counts too little exhausts the heap before it reaches its bound; one that counts too much wastes what it was given.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';

interface Filled {
  readonly entries: number;
  readonly countedBytes: number;
  readonly measuredBytes: number;
}

/** A name in two bytes per character is assumed of every string, and memory that malloc takes beside a buffer is not measured. */
const MAX_COUNTED_SHARE = 1.8;

function fill(...args: readonly string[]): string {
  const program = join(repositoryRoot, 'test', 'support', 'sidecar', 'memory-fill.ts');
  return execFileSync(process.execPath, ['--expose-gc', program, ...args], { encoding: 'utf8' });
}

const cases = JSON.parse(fill()) as string[];

test.each(cases)(
  'counts at least what it takes and not much more: %s',
  (name) => {
    const { entries, countedBytes, measuredBytes } = JSON.parse(fill(name)) as Filled;
    expect(entries).toBeGreaterThan(1_000);
    expect(countedBytes / measuredBytes).toBeGreaterThanOrEqual(1);
    expect(countedBytes / measuredBytes).toBeLessThan(MAX_COUNTED_SHARE);
  },
  60_000,
);
