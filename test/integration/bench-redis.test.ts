/**
 * Tests the Redis benchmark: its arguments, its ratios, the targets that it reports as met or not met, and a short run.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Figures } from '../../bench/redis/load.ts';
import { EVALSHA_SET, INCRBY_EXPIRE, limitsName } from '../../bench/redis/operations.ts';
import { parseOptions } from '../../bench/redis/options.ts';
import { Results } from '../../bench/redis/results.ts';
import { judge } from '../../bench/redis/verdicts.ts';
import { repositoryRoot } from '../support/repository.ts';

const MAX_RUN_MS = 90_000;

function figures(redisUs: number): Figures {
  return { redisUs, ownUs: 1, operations: 1 };
}

test('--quick shortens the run unless a duration is given, and invalid numbers are rejected', () => {
  expect(parseOptions([])).toMatchObject({ rounds: 5, secondsPerRow: 0.6, isStrict: false });
  expect(parseOptions(['--quick', '--rounds', '3'])).toMatchObject({ rounds: 3, secondsPerRow: 0.15 });
  expect(parseOptions(['--help'])).toBeUndefined();
  expect(() => parseOptions(['--seconds', '0'])).toThrow('--seconds must be a number above 0 and at most 60, got 0');
});

test('a ratio is the median of the ratios of all rounds, and its target decides the verdict', () => {
  const results = new Results();
  for (const [ours, set, count] of [
    [17, 10, 20],
    [40, 20, 10],
    [15, 10, 10],
  ] as const) {
    results.add(limitsName('fixed_window', 1), 'saturated', figures(ours));
    results.add(EVALSHA_SET, 'saturated', figures(set));
    results.add(limitsName('fixed_window', 1), 'open', figures(ours));
    results.add(INCRBY_EXPIRE, 'open', figures(count));
  }
  const verdicts = judge(results);
  expect(verdicts[0]).toMatchObject({ ratio: { value: 1.7, min: 1.5, max: 2 }, max: 1.8, outcome: 'met' });
  expect(verdicts[1]).toMatchObject({ ratio: { value: 1.5, min: 0.85, max: 4 }, max: 1.35, outcome: 'NOT MET' });
  expect(verdicts[2]?.outcome).toBe('NOT MEASURED');
});

test(
  'a short run gets the expected answer for every operation under both loads',
  async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(repositoryRoot, 'bench', 'redis.ts'), '--rounds', '1', '--seconds', '0.05', '--json'],
      { timeout: MAX_RUN_MS },
    );
    const { rows, verdicts } = JSON.parse(stdout) as {
      rows: { name: string; load: string; rounds: Figures[] }[];
      verdicts: { outcome: string }[];
    };
    const names = new Set(rows.map((row) => row.name));
    expect(names.size).toBe(3 + 5 * 3 + 4);
    expect(rows).toHaveLength(2 * names.size);
    for (const { rounds } of rows) {
      expect(rounds[0]?.operations).toBeGreaterThan(0);
      expect(rounds[0]?.redisUs).toBeGreaterThan(0);
    }
    expect(verdicts.filter(({ outcome }) => outcome === 'NOT MEASURED')).toEqual([]);
  },
  MAX_RUN_MS,
);
