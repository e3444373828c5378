/**
 * Every bound of the built-in HTTP/2 server, in one table with its reason. docs/internals/transport-limits.md is generated from it.
 *
 * The bounds that both transports have (messages, metadata, calls per connection, connections) are in transport/transport.ts.
 */
import type { TransportLimits } from '../../transport/transport.ts';

interface LimitRow {
  readonly value: number;
  readonly unit: 'bytes' | 'fields' | 'frames' | 'ms' | 'points' | 'points/s' | 'bytes/s';
  /** What is bounded, what happens beyond it, and why. */
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
    "the same of all connections (an eighth of the container's memory where that is less); beyond it calls of connections that buffer more than an equal quota end with RESOURCE_EXHAUSTED",
  ),
  maxUnsentBytes: row(
    1024 * 1024,
    'bytes',
    'answers in a socket that its peer does not read; beyond it we stop reading requests (CVE-2019-9517)',
  ),
  maxBufferedAnswerBytesPerConnection: row(
    8 * 1024 * 1024,
    'bytes',
    "answers buffered until a peer's windows open; beyond it new calls are refused, unexecuted; beyond twice that calls in flight end with RESOURCE_EXHAUSTED (CVE-2019-9511)",
  ),
  maxBufferedAnswerBytes: row(
    64 * 1024 * 1024,
    'bytes',
    'buffered answers of all connections, bounded in the same way; beyond it new calls of connections that buffer more than an equal quota are refused, and their calls in flight end with RESOURCE_EXHAUSTED',
  ),
  maxBufferedAnswerBytesPerStream: row(
    64 * 1024,
    'bytes',
    'buffered answers of a stream; beyond it its handler must wait before it sends more',
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
    "a peer that takes less of a buffered answer (of all together, while the connection's window is closed) counts as taking none",
  ),
  maxStalledWriteMs: row(
    20_000,
    'ms',
    'how long a peer may take no byte of an answer; beyond it the call is reset or the connection closed',
  ),
  maxBacklogMs: row(
    300_000,
    'ms',
    "how long all buffered answers may take at the speed at which their peer opens the connection's window; a slower peer counts as taking none",
  ),
  keepaliveIntervalMs: row(60_000, 'ms', 'silence after which a peer receives a PING'),
  keepaliveTimeoutMs: row(20_000, 'ms', 'how long its answer may take; beyond it the connection is closed'),
  maxDrainPingMs: row(2_000, 'ms', 'how long a drain waits for a peer to confirm that it saw the GOAWAY'),
  maxLingerMs: row(1_000, 'ms', 'how long a closed connection stays to let its GOAWAY arrive'),
  maxFrameBudget: row(
    10_000,
    'points',
    'the frame budget: frames that do no work (early resets, PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, frames of closed streams, windows that open by a few bytes) consume it; when it is exhausted, GOAWAY with ENHANCE_YOUR_CALM (CVE-2023-44487, CVE-2019-9512 to 9518, CVE-2025-8671)',
  ),
  frameBudgetPerSecond: row(
    1_000,
    'points/s',
    'how fast the frame budget is replenished; a call that ends and a frame of DATA that is sent replenish two each',
  ),
} as const satisfies Record<string, LimitRow>;

type Http2OwnLimits = { readonly [Name in keyof typeof HTTP2_LIMIT_ROWS]: number };

export interface Http2Limits extends TransportLimits, Http2OwnLimits {}

export const HTTP2_LIMITS = Object.fromEntries(
  Object.entries(HTTP2_LIMIT_ROWS).map(([name, { value }]) => [name, value]),
) as Http2OwnLimits;

/** Unfinished requests may take at most this part of a container's memory (1 / 8), and buffered answers as much again. */
const MEMORY_DIVISOR = 8;

/** The bounds that follow the memory of the container; 0: it has no known limit. */
export function limitsWithin(
  memoryBytes: number,
): Pick<Http2OwnLimits, 'maxBufferedRequestBytes' | 'maxBufferedAnswerBytes'> {
  const quotaBytes = memoryBytes === 0 ? Number.POSITIVE_INFINITY : Math.floor(memoryBytes / MEMORY_DIVISOR);
  return {
    maxBufferedRequestBytes: Math.min(HTTP2_LIMITS.maxBufferedRequestBytes, quotaBytes),
    maxBufferedAnswerBytes: Math.min(HTTP2_LIMITS.maxBufferedAnswerBytes, quotaBytes),
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
    '# Limits of the built-in HTTP/2 server',
    '',
    'They add to those of [grpc.md](../reference/grpc.md), which hold for every transport. A peer beyond a limit receives an error; other peers are not affected.',
    'This page is generated from src/grpc/http2/limits/http2-limits.ts (`make docs`).',
    '',
    '| limit | value | what it bounds |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
