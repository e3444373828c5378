/**
 * Every bound of the HTTP/2 transport, in one table with its reason. docs/transport-limits.md is generated from it.
 *
 * The four that both transports have (messages, metadata, calls per connection, connections) stand in ../transport.ts.
 */
import type { TransportLimits } from '../../transport/transport.ts';

interface LimitRow {
  readonly value: number;
  readonly unit: 'bytes' | 'fields' | 'frames' | 'ms' | 'points' | 'points/s' | 'bytes/s';
  /** What is over it, and why there is a bound. */
  readonly reason: string;
}

const HTTP2_LIMIT_ROWS = {
  maxMetadataFields: row(256, 'fields', 'request headers of a call; beyond it RESOURCE_EXHAUSTED'),
  maxHeaderBlockBytes: row(
    64 * 1024,
    'bytes',
    'encoded header block, over all its frames; beyond it GOAWAY (CVE-2024-27316)',
  ),
  maxContinuationFrames: row(8, 'frames', 'CONTINUATION frames of one block; beyond it GOAWAY (CVE-2024-27316)'),
  hpackTableBytes: row(4_096, 'bytes', 'dynamic table of a connection, which a caller may fill'),
  streamWindowBytes: row(256 * 1024, 'bytes', 'what a call may send before it is read'),
  connectionWindowBytes: row(1024 * 1024, 'bytes', 'what all calls of a connection may send before it is read'),
  maxBufferedRequestBytesPerConnection: row(
    16 * 1024 * 1024,
    'bytes',
    'unfinished requests of a connection, and 2 KiB for each open call; beyond it calls end with RESOURCE_EXHAUSTED',
  ),
  maxBufferedRequestBytes: row(
    64 * 1024 * 1024,
    'bytes',
    "the same of all connections (an eighth of the container's memory where that is less); beyond it calls of connections with more than an equal share end with RESOURCE_EXHAUSTED",
  ),
  maxUnsentBytes: row(
    1024 * 1024,
    'bytes',
    'answers in a socket that its peer does not read; beyond it we stop reading requests (CVE-2019-9517)',
  ),
  maxBufferedAnswerBytesPerConnection: row(
    8 * 1024 * 1024,
    'bytes',
    "answers that wait for a peer's windows; beyond it new calls are refused, unexecuted, beyond twice that calls under way end with RESOURCE_EXHAUSTED (CVE-2019-9511)",
  ),
  maxBufferedAnswerBytes: row(
    64 * 1024 * 1024,
    'bytes',
    'answers of all connections that their peers have not taken, bounded in the same way; beyond it new calls of connections with more than an equal share are refused, and their calls under way end with RESOURCE_EXHAUSTED',
  ),
  maxBufferedAnswerBytesPerStream: row(
    64 * 1024,
    'bytes',
    'answers of a stream that wait; beyond it its handler is told to wait',
  ),
  maxHandshakeMs: row(10_000, 'ms', 'from connecting to the first SETTINGS; beyond it the connection is closed'),
  maxRequestMs: row(
    30_000,
    'ms',
    'from the first header of a unary call to its last byte; beyond it the call is reset',
  ),
  slowReaderBytesPerSecond: row(
    1_024,
    'bytes/s',
    "a peer that takes less of an answer that waits (of all together, where they wait for the connection's window) counts as taking none",
  ),
  maxStalledWriteMs: row(
    20_000,
    'ms',
    'how long a peer may take no byte of an answer; beyond it the call is reset or the connection closed',
  ),
  maxBacklogMs: row(
    300_000,
    'ms',
    "how long all that waits may take at the speed at which its peer opens the connection's window; a slower one counts as taking none",
  ),
  keepaliveIntervalMs: row(60_000, 'ms', 'silence after which a peer is asked for a sign of life (PING)'),
  keepaliveTimeoutMs: row(20_000, 'ms', 'how long that may take; beyond it the connection is closed'),
  maxDrainPingMs: row(2_000, 'ms', 'how long a drain waits for a peer to say that it saw the GOAWAY'),
  maxLingerMs: row(1_000, 'ms', 'how long a closed connection stays to let its GOAWAY arrive'),
  maxFrameBudget: row(
    10_000,
    'points',
    'frames that cost us and do no work (early resets, PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, frames of closed streams, dribbled windows) are paid from an frameBudget; when it is empty, GOAWAY with ENHANCE_YOUR_CALM (CVE-2023-44487, CVE-2019-9512 to 9518, CVE-2025-8671)',
  ),
  frameBudgetPerSecond: row(
    1_000,
    'points/s',
    'how fast the frameBudget fills again; a call that ends and a frame of DATA that is sent give two each',
  ),
} as const satisfies Record<string, LimitRow>;

type Http2OwnLimits = { readonly [Name in keyof typeof HTTP2_LIMIT_ROWS]: number };

export interface Http2Limits extends TransportLimits, Http2OwnLimits {}

export const HTTP2_LIMITS = Object.fromEntries(
  Object.entries(HTTP2_LIMIT_ROWS).map(([name, { value }]) => [name, value]),
) as Http2OwnLimits;

/** Share of the memory of a container that all half requests may take, and as much again all answers that wait. */
const MEMORY_SHARE = 8;

/** What is bound by the memory of the container; 0: it has no bound that is known. */
export function limitsWithin(
  memoryBytes: number,
): Pick<Http2OwnLimits, 'maxBufferedRequestBytes' | 'maxBufferedAnswerBytes'> {
  const shareBytes = memoryBytes === 0 ? Number.POSITIVE_INFINITY : Math.floor(memoryBytes / MEMORY_SHARE);
  return {
    maxBufferedRequestBytes: Math.min(HTTP2_LIMITS.maxBufferedRequestBytes, shareBytes),
    maxBufferedAnswerBytes: Math.min(HTTP2_LIMITS.maxBufferedAnswerBytes, shareBytes),
  };
}

function row(value: number, unit: LimitRow['unit'], reason: string): LimitRow {
  return { value, unit, reason };
}

export function limitsMarkdown(): string {
  const rows = Object.entries(HTTP2_LIMIT_ROWS).map(
    ([name, { value, unit, reason }]) => `| \`${name}\` | ${value} ${unit} | ${reason} |`,
  );
  return [
    '# Limits of the HTTP/2 transport',
    '',
    'Besides those of [grpc.md](grpc.md), which hold for every transport. A peer over a limit is told so; others do not notice.',
    'This page is generated from src/grpc/http2/limits/http2-limits.ts (`make docs`).',
    '',
    '| limit | value | what it bounds |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
