/**
 * Targets of the built-in HTTP/2 server, as ratios of rows in one run. A verdict states whether a run meets a target.
 */
import type { FigureName, Ratio, Results } from './results.ts';
import { rowId } from './rows.ts';

interface Target {
  readonly text: string;
  readonly figure: FigureName;
  readonly row: string;
  readonly to: string;
  /** Maximum ratio. Undefined if the ratio is only printed for information. */
  readonly max?: number;
}

const TARGETS: readonly Target[] = [
  {
    text: 'CPU per call, 64 in flight on 1 connection, empty handler: http2 / grpc-js',
    figure: 'cpuUs',
    row: rowId('tcp', 'closed-1', 'empty', 'http2'),
    to: rowId('tcp', 'closed-1', 'empty', 'grpc-js'),
    max: 0.15,
  },
  {
    text: 'CPU per call, 64 in flight on 1 connection, CheckRateLimit on Redis: http2 / grpc-js',
    figure: 'cpuUs',
    row: rowId('tcp', 'closed-1', 'redis', 'http2'),
    to: rowId('tcp', 'closed-1', 'redis', 'grpc-js'),
    max: 0.3,
  },
  {
    text: 'CPU per call at 2,000 calls/s, CheckRateLimit on Redis: http2 / grpc-js',
    figure: 'cpuUs',
    row: rowId('tcp', 'open-2000', 'redis', 'http2'),
    to: rowId('tcp', 'open-2000', 'redis', 'grpc-js'),
    max: 0.6,
  },
  {
    text: 'CPU per call, 64 in flight on 1 connection: CheckRateLimit on Redis with http2 / empty handler with grpc-go',
    figure: 'cpuUs',
    row: rowId('tcp', 'closed-1', 'redis', 'http2'),
    to: rowId('tcp', 'closed-1', 'empty', 'grpc-go'),
    max: 1,
  },
  {
    text: 'p99 at 5,000 calls/s, empty handler: http2 / grpc-go',
    figure: 'p99Us',
    row: rowId('tcp', 'open-5000', 'empty', 'http2'),
    to: rowId('tcp', 'open-5000', 'empty', 'grpc-go'),
    max: 1,
  },
  {
    text: 'CPU per call, 64 in flight on 1 connection, limit in the request: http2 / grpc-js',
    figure: 'cpuUs',
    row: rowId('tcp', 'closed-1', 'inline', 'http2'),
    to: rowId('tcp', 'closed-1', 'inline', 'grpc-js'),
  },
  {
    text: 'CPU per call, 64 in flight on 1 connection: limit in the request with http2 / empty handler with grpc-go',
    figure: 'cpuUs',
    row: rowId('tcp', 'closed-1', 'inline', 'http2'),
    to: rowId('tcp', 'closed-1', 'empty', 'grpc-go'),
  },
  {
    text: 'CPU per call, 64 in flight on 64 connections, empty handler: http2 / grpc-js',
    figure: 'cpuUs',
    row: rowId('tcp', 'closed-64', 'empty', 'http2'),
    to: rowId('tcp', 'closed-64', 'empty', 'grpc-js'),
  },
  {
    text: 'CPU per call, 64 in flight on 64 connections, CheckRateLimit on Redis: http2 / grpc-js',
    figure: 'cpuUs',
    row: rowId('tcp', 'closed-64', 'redis', 'http2'),
    to: rowId('tcp', 'closed-64', 'redis', 'grpc-js'),
  },
  {
    text: 'CPU per call at 2,000 calls/s, empty handler: http2 / grpc-js',
    figure: 'cpuUs',
    row: rowId('tcp', 'open-2000', 'empty', 'http2'),
    to: rowId('tcp', 'open-2000', 'empty', 'grpc-js'),
  },
];

export interface Verdict {
  readonly text: string;
  readonly ratio: Ratio | undefined;
  readonly max: number | undefined;
  readonly outcome: 'met' | 'NOT MET' | 'NOT MEASURED' | 'for information';
}

export function judge(results: Results): Verdict[] {
  return TARGETS.map((target) => {
    const ratio = results.ratio(target.row, target.to, target.figure);
    return { text: target.text, ratio, max: target.max, outcome: outcomeOf(ratio, target.max) };
  });
}

function outcomeOf(ratio: Ratio | undefined, max: number | undefined): Verdict['outcome'] {
  if (ratio === undefined) {
    return 'NOT MEASURED';
  }
  if (max === undefined) {
    return 'for information';
  }
  return ratio.value <= max ? 'met' : 'NOT MET';
}
