/**
 * Rows of the transport benchmark: every server under every load. `--only` selects rows by words of their ids.
 */

const SERVERS = ['grpc-js', 'node-http2', 'http2', 'grpc-go'] as const;
export type ServerName = (typeof SERVERS)[number];

/**
 * Kinds of work. `empty` is a handler that does nothing. `redis` and `inline` are complete CheckRateLimit calls on Redis: `redis` with a policy, and
 * `inline` with a limit in the request.
 */
const WORKS = ['empty', 'redis', 'inline'] as const;
export type Work = (typeof WORKS)[number];

export type Network = 'tcp' | 'unix';

export type Load =
  | { readonly name: string; readonly kind: 'closed'; readonly callers: number; readonly connections: number }
  | { readonly name: string; readonly kind: 'open'; readonly rate: number; readonly connections: number };

export const LOADS: readonly Load[] = [
  { name: 'closed-1', kind: 'closed', callers: 64, connections: 1 },
  { name: 'closed-64', kind: 'closed', callers: 64, connections: 64 },
  { name: 'open-500', kind: 'open', rate: 500, connections: 1 },
  { name: 'open-2000', kind: 'open', rate: 2_000, connections: 1 },
  { name: 'open-5000', kind: 'open', rate: 5_000, connections: 1 },
];

/**
 * Loads that the benchmark measures on the unix socket even without --full. The other loads would show a similar
 * difference from TCP.
 */
const UNIX_LOADS: readonly string[] = ['closed-1', 'open-5000'];
/** Loads that the benchmark measures with limits in the request even without --full, but only on TCP. */
const INLINE_LOADS: readonly string[] = ['closed-1'];

export interface Row {
  readonly network: Network;
  readonly load: Load;
  readonly work: Work;
  readonly server: ServerName;
  /** Words that identify the row, such as `tcp closed-1 empty http2`. */
  readonly id: string;
  /** Number of measurements in each round. */
  readonly repeats: number;
}

/** Number of measurements of a row in each round if a target applies to its p99. At 5,000 calls/s, the p99 of one second depends on only 50 calls. */
const REPEATS_OF_P99_ROWS = 3;

export function rowId(network: Network, loadName: string, work: Work, server: ServerName): string {
  return `${network} ${loadName} ${work} ${server}`;
}

const P99_ROWS: readonly string[] = [
  rowId('tcp', 'open-5000', 'empty', 'http2'),
  rowId('tcp', 'open-5000', 'empty', 'grpc-go'),
];

/** Returns the rows in the order of a round. Rows that differ only in the server are adjacent. */
export function planRows(options: { isFull: boolean; only: readonly string[] }): Row[] {
  const rows: Row[] = [];
  for (const network of ['tcp', 'unix'] as const) {
    for (const load of LOADS) {
      for (const work of WORKS.filter((one) => options.isFull || isUsual(network, load.name, one))) {
        for (const server of SERVERS.filter((name) => work === 'empty' || isOurs(name))) {
          const id = rowId(network, load.name, work, server);
          rows.push({ network, load, work, server, id, repeats: P99_ROWS.includes(id) ? REPEATS_OF_P99_ROWS : 1 });
        }
      }
    }
  }
  return rows.filter((row) => isSelected(row.id, options.only));
}

function isUsual(network: Network, loadName: string, work: Work): boolean {
  if (work === 'inline') {
    return network === 'tcp' && INLINE_LOADS.includes(loadName);
  }
  return network === 'tcp' || UNIX_LOADS.includes(loadName);
}

/** Returns whether the server is one of our transports, which can run the complete sidecar. */
export function isOurs(server: ServerName): server is 'grpc-js' | 'http2' {
  return server === 'grpc-js' || server === 'http2';
}

/** Returns whether the id contains all words of one of the strings in `only`. Commas separate the words of a string. */
function isSelected(id: string, only: readonly string[]): boolean {
  const words = new Set(id.split(' '));
  return only.length === 0 || only.some((text) => text.split(',').every((word) => words.has(word)));
}

export function loadText(load: Load): string {
  const connections = load.connections === 1 ? '1 connection' : `${load.connections} connections`;
  return load.kind === 'closed'
    ? `${load.callers} in flight on ${connections}`
    : `${load.rate.toLocaleString('en')} calls/s on ${connections}`;
}
