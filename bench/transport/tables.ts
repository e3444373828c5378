/**
 * Formats the results as text: a table for each load, and the targets that the run meets or misses.
 */
import type { IdleMemory, Memory } from './idle.ts';
import type { Results } from './results.ts';
import { LOADS, loadText, type Row, rowId, type Work } from './rows.ts';
import type { Verdict } from './verdicts.ts';

/** Share of a core. If a server used less than this share of its core, it did not limit the rate of a closed loop. */
const BUSY_SHARE = 0.9;

/** Share of waiting time above which other load on the machine distorts the figures. */
const BUSY_MACHINE_SHARE = 0.05;

const WORK_TEXT: Record<Work, string> = {
  empty: 'empty handler',
  redis: 'CheckRateLimit on Redis',
  inline: 'CheckRateLimit on Redis, limit in the request',
};
const COLUMNS = ['CPU us/call', 'x grpc-js', 'calls/s', 'p50 us', 'p99 us', 'p99.9 us', 'RSS MB', 'waited %', 'failed'];

export function tablesText(rows: readonly Row[], results: Results): string {
  const lines: string[] = [];
  let title = '';
  for (const row of rows.filter((one) => results.has(one.id))) {
    const next = `${row.network === 'tcp' ? 'TCP' : 'unix socket'}, ${loadText(row.load)}, ${WORK_TEXT[row.work]}`;
    if (next !== title) {
      title = next;
      lines.push('', title, line('', COLUMNS));
    }
    lines.push(rowLine(row, results));
  }
  lines.push('', '* the server did not use its whole core: the load generator limited the rate');
  lines.push('waited: share of the time in which the server was ready to run, but another process had its core');
  lines.push('failed: calls with an error, and decisions that Redis did not make (it was late)');
  if (results.waitShare() > BUSY_MACHINE_SHARE) {
    const percent = (results.waitShare() * 100).toFixed(0);
    lines.push(`BUSY MACHINE: servers waited ${percent} % of the time for their core; run again on a quieter machine`);
  }
  return lines.join('\n');
}

function rowLine(row: Row, results: Results): string {
  const beside = results.ratio(row.id, rowId(row.network, row.load.name, row.work, 'grpc-js'), 'cpuUs');
  const isLimitElsewhere = row.load.kind === 'closed' && results.median(row.id, 'serverShare') < BUSY_SHARE;
  return line(`  ${row.server}`, [
    results.median(row.id, 'cpuUs').toFixed(2),
    beside === undefined ? '-' : beside.value.toFixed(3),
    `${Math.round(results.median(row.id, 'callsPerSecond'))}${isLimitElsewhere ? '*' : ''}`,
    results.median(row.id, 'p50Us').toFixed(0),
    results.median(row.id, 'p99Us').toFixed(0),
    results.median(row.id, 'p999Us').toFixed(0),
    results.median(row.id, 'residentMb').toFixed(1),
    (results.median(row.id, 'serverWaitShare') * 100).toFixed(0),
    String(results.failed(row.id)),
  ]);
}

function line(name: string, columns: readonly string[]): string {
  return `${name.padEnd(14)}${columns.map((column) => column.padStart(12)).join('')}`;
}

export function verdictsText(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ text, ratio, max, outcome }) => {
    const value = ratio === undefined ? '-' : ratio.value.toFixed(3);
    const spread = ratio === undefined ? '' : `, rounds ${ratio.min.toFixed(3)} to ${ratio.max.toFixed(3)}`;
    const target = max === undefined ? '' : `, target <= ${max}`;
    return `  ${outcome.padEnd(16)}${value.padStart(6)}  ${text}${target}${spread}`;
  });
  return ['', 'Verdicts (median of the ratios of the quieter rounds)', ...lines].join('\n');
}

export function idleText(idle: IdleMemory): string {
  return [
    '',
    'Idle sidecar, memory store, resident MB (anonymous MB)',
    `  http2, grpc-js not loaded  ${memoryText(idle.http2)}`,
    `  grpc-js                    ${memoryText(idle.grpcJs)}`,
  ].join('\n');
}

function memoryText(memory: Memory): string {
  return `${memory.residentMb.toFixed(1)} (${memory.anonymousMb.toFixed(1)})`;
}

export function progressText(results: Results, rows: readonly Row[]): string {
  const loadName = LOADS.find((load) => load.name === rows[0]?.load.name)?.name ?? '';
  const figures = rows.map(
    (row) => `${row.work} ${row.server} ${results.rounds(row.id).at(-1)?.cpuUs.toFixed(1) ?? '-'}`,
  );
  return `${rows[0]?.network} ${loadName}, CPU us per call: ${figures.join(', ')}\n`;
}
