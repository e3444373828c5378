/**
 * Tests the transport benchmark: the rows of its table, the targets that it reports as met or not met, and a short run.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Figures } from '../../bench/transport/load-client.ts';
import { parseOptions } from '../../bench/transport/options.ts';
import { Results } from '../../bench/transport/results.ts';
import { planRows, rowId } from '../../bench/transport/rows.ts';
import { judge } from '../../bench/transport/verdicts.ts';
import { repositoryRoot } from '../support/repository.ts';

const MAX_RUN_MS = 60_000;

function figures(cpuUs: number, serverWaitShare = 0): Figures {
  return {
    serverWaitShare,
    callsPerSecond: 1,
    cpuUs,
    p50Us: 1,
    p99Us: 1,
    p999Us: 1,
    residentMb: 1,
    serverShare: 1,
    failed: 0,
  };
}

test('--only selects the rows whose names contain all of its words', () => {
  const ids = planRows({ isFull: false, only: ['tcp,closed-1,http2', 'unix,grpc-go,open-5000'] }).map((row) => row.id);
  expect(ids).toEqual([
    'tcp closed-1 empty http2',
    'tcp closed-1 redis http2',
    'tcp closed-1 inline http2',
    'unix open-5000 empty grpc-go',
  ]);
  expect(() => parseOptions(['--only', 'closed'])).toThrow(
    '--only must be words of one row, got closed; run with --help for the words',
  );
});

test('does not measure a complete sidecar on grpc-go and node:http2', () => {
  const rows = planRows({ isFull: true, only: [] });
  const programs = new Set(rows.filter((row) => row.work !== 'empty').map((row) => row.server));
  expect([...programs]).toEqual(['grpc-js', 'http2']);
});

test('a ratio is the median of the ratios of all rounds, and its target decides the verdict', () => {
  const results = new Results();
  const ours = rowId('tcp', 'closed-1', 'empty', 'http2');
  const theirs = rowId('tcp', 'closed-1', 'empty', 'grpc-js');
  for (const [our, their] of [
    [1, 10],
    [40, 200],
    [9, 10],
  ] as const) {
    results.add(ours, figures(our));
    results.add(theirs, figures(their));
  }
  const [first, second] = judge(results);
  expect(first).toMatchObject({ ratio: { value: 0.2, min: 0.1, max: 0.9 }, max: 0.15, outcome: 'NOT MET' });
  expect(second?.outcome).toBe('NOT MEASURED');
});

test('ignores rounds in which a server waited long for its core if there are better rounds', () => {
  const results = new Results();
  for (const [cpuUs, wait] of [
    [90, 0.9],
    [10, 0.01],
    [80, 0.8],
    [20, 0.02],
    [70, 0.7],
  ] as const) {
    results.add('a', figures(cpuUs, wait));
    results.add('b', figures(10));
  }
  expect(results.ratio('a', 'b', 'cpuUs')).toEqual({ value: 2, min: 1, max: 7 });
});

test(
  'a short closed-loop run on both transports fails no call',
  async () => {
    const only = ['--only', 'tcp,closed-1,empty,http2', '--only', 'tcp,closed-1,empty,grpc-js'];
    const args = [...only, '--seconds', '0.2', '--rounds', '1', '--client', 'node', '--json'];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(repositoryRoot, 'bench', 'transport.ts'), ...args],
      { timeout: MAX_RUN_MS },
    );
    const { rows } = JSON.parse(stdout) as { rows: { rounds: Figures[] }[] };
    expect(rows).toHaveLength(2);
    for (const { rounds } of rows) {
      expect(rounds).toHaveLength(1);
      expect(rounds[0]?.failed).toBe(0);
      expect(rounds[0]?.callsPerSecond).toBeGreaterThan(0);
    }
  },
  MAX_RUN_MS,
);
