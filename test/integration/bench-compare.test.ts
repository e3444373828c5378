/**
 * Tests the benchmark that compares two commits: its arguments, the order of the builds, and the conclusions that it
 * prints.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type BuildRole, orderOf, Samples, tableText, verdictText } from '../../bench/compare/comparison.ts';
import { parseOptions } from '../../bench/compare/options.ts';
import { repositoryRoot } from '../support/repository.ts';

/**
 * Returns the conclusion from the rounds of one measurement. Each round contains a value for the base commit, for this
 * working tree, and for the base commit again.
 */
function compare(...rounds: readonly (readonly [base: number, current: number, again: number])[]) {
  const samples = new Samples();
  for (const [base, current, again] of rounds) {
    samples.add('CPU', 'base', base);
    samples.add('CPU', 'current', current);
    samples.add('CPU', 'again', again);
  }
  return samples.compare();
}

test('rejects invalid arguments and a missing base', () => {
  expect(parseOptions(['--base', 'v1'])).toEqual({ base: 'v1', rounds: 15, seconds: 1.2 });
  expect(parseOptions(['--help'])).toBeUndefined();
  expect(() => parseOptions([])).toThrow(
    '--base must be a commit of this repository, got none; run `make bench-compare',
  );
  expect(() => parseOptions(['--base', 'v1', '--rounds', '1.5'])).toThrow(
    '--rounds must be an integer between 1 and 100, got 1.5',
  );
  expect(() => parseOptions(['--base', 'v1', '--seconds', '0.4'])).toThrow(
    '--seconds must be a number between 0.5 and 10, got 0.4',
  );
});

test('rejects a base that is not a commit before it builds anything', () => {
  const program = join(repositoryRoot, 'bench', 'compare.ts');
  const { status, stderr } = spawnSync(process.execPath, [program, '--base', 'nowhere'], { encoding: 'utf8' });
  expect(stderr).toBe('--base must be a commit of this repository, got "nowhere"\n');
  expect(status).toBe(2);
});

test('six rounds contain every order of the builds once', () => {
  const orders = Array.from({ length: 6 }, (_, round) => orderOf(round).join(' '));
  expect(new Set(orders).size).toBe(6);
  expect(orderOf(6)).toEqual(orderOf(0));
  expect(orderOf(0).toSorted()).toEqual(['again', 'base', 'current'] satisfies BuildRole[]);
});

test('computes a ratio from the medians, with both measurements of the base', () => {
  expect(compare([10, 12, 10.2], [90, 11, 10.2], [10, 13, 10.2])).toMatchObject([
    { figure: 'CPU', base: 10.1, current: 12, ratio: 12 / 10.1 },
  ]);
});

test('allows a ratio of up to 1.03 if the two base measurements differ by at most 3 % in the median round', () => {
  const steady = compare([100, 103, 100], [100, 103, 103], [100, 103, 100]);
  expect(steady).toMatchObject([{ spread: 0, maxRatio: 1.03, isWithin: true }]);
  expect(compare([100, 103.1, 100])).toMatchObject([{ maxRatio: 1.03, isWithin: false }]);
});

test('allows a ratio of up to 1.05 if the two base measurements differ by more than 3 % in the median round', () => {
  const noisy = compare([100, 104, 96], [98, 104, 102], [102, 104, 98]);
  expect(noisy).toMatchObject([{ base: 99, maxRatio: 1.05, isWithin: false }]);
  expect(compare([98, 104, 102])).toMatchObject([{ ratio: 1.04, maxRatio: 1.05, isWithin: true }]);
});

test('prints each figure and names those above the limit', () => {
  const comparisons = compare([100, 104, 100]);
  expect(tableText(comparisons)).toMatch(/CPU +100\.00 +104\.00 +1\.040 +\+-0\.0 % +1\.03 +EXCEEDED\n$/);
  expect(verdictText(comparisons)).toBe('above the limit: CPU (1.040, at most 1.03)\n');
  expect(verdictText(compare([100, 100, 100]))).toBe('every figure of this working tree is within its limit\n');
});
