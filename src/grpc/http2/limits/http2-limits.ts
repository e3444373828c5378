/**
 * Defines the limits of the built-in HTTP/2 server in one table. `make docs` generates
 * docs/internals/transport-limits.md from this table.
 *
 * The table does not contain the limits that both transports share (messages, metadata, calls per connection,
 * connections). These limits are defined in transport/transport.ts.
 */
import type { TransportLimits } from '../../transport/transport.ts';

interface LimitRow {
  readonly value: number;
  readonly unit: 'bytes' | 'fields' | 'frames' | 'ms' | 'points' | 'points/s' | 'bytes/s';
  /**
   * Text for the generated page. The text describes the limited quantity, and what the server does when a peer exceeds
   * the limit.
   */
  readonly reason: string;
}

const HTTP2_LIMIT_ROWS = {
  maxMetadataFields: row(
    256,
    'fields',
    'Fields in the request headers of a call. Beyond the limit, the call ends with RESOURCE_EXHAUSTED',
  ),
  maxHeaderBlockBytes: row(
    64 * 1024,
    'bytes',
    'Encoded size of a header block in all its frames together. Beyond the limit, the connection ends with GOAWAY (CVE-2024-27316)',
  ),
  maxContinuationFrames: row(
    8,
    'frames',
    'CONTINUATION frames of one header block. Beyond the limit, the connection ends with GOAWAY (CVE-2024-27316)',
  ),
  hpackTableBytes: row(4_096, 'bytes', 'HPACK dynamic table of a connection (SETTINGS_HEADER_TABLE_SIZE)'),
  streamWindowBytes: row(256 * 1024, 'bytes', 'Receive window of a stream (SETTINGS_INITIAL_WINDOW_SIZE)'),
  connectionWindowBytes: row(1024 * 1024, 'bytes', 'Receive window of a connection, shared by its calls'),
  maxBufferedRequestBytesPerConnection: row(
    16 * 1024 * 1024,
    'bytes',
    'Buffered bytes of the unfinished requests of a connection, plus 2 KiB for each open call. Beyond the limit, calls end with RESOURCE_EXHAUSTED',
  ),
  maxBufferedRequestBytes: row(
    64 * 1024 * 1024,
    'bytes',
    "Buffered bytes of the unfinished requests and open calls of all connections together (one eighth of the container's memory if that is less). Beyond the limit, calls on connections that use more than an equal quota end with RESOURCE_EXHAUSTED",
  ),
  maxUnsentBytes: row(
    1024 * 1024,
    'bytes',
    'Bytes that a socket has buffered because its peer does not read. Beyond the limit, the server stops reading from this connection (CVE-2019-9517)',
  ),
  maxBufferedAnswerBytesPerConnection: row(
    8 * 1024 * 1024,
    'bytes',
    "Responses of a connection that are buffered until the peer's flow-control windows open. Beyond the limit, the server refuses new calls without executing them. Beyond twice this size, calls in flight end with RESOURCE_EXHAUSTED (CVE-2019-9511)",
  ),
  maxBufferedAnswerBytes: row(
    64 * 1024 * 1024,
    'bytes',
    "Buffered responses of all connections together (one eighth of the container's memory if that is less). Beyond the limit, the server refuses new calls on connections that use more than an equal quota, and ends the calls in flight on these connections with RESOURCE_EXHAUSTED",
  ),
  maxBufferedAnswerBytesPerStream: row(
    64 * 1024,
    'bytes',
    'Buffered responses of a stream. Beyond the limit, the handler of the stream must wait before it sends more',
  ),
  maxHandshakeMs: row(
    10_000,
    'ms',
    'Time from connecting to the first SETTINGS. Beyond the limit, the connection is closed',
  ),
  maxRequestMs: row(
    30_000,
    'ms',
    'Time from the first header of a unary or server-streaming call to the last byte of its request. Beyond the limit, the call is reset',
  ),
  slowReaderBytesPerSecond: row(
    1_024,
    'bytes/s',
    "Minimum speed at which a peer makes progress in reading. The speed applies to each buffered response or, while the connection's window is closed, to all buffered responses together",
  ),
  maxStalledWriteMs: row(
    20_000,
    'ms',
    'Time without progress in reading. Beyond the limit, the server resets the call or closes the connection',
  ),
  maxBacklogMs: row(
    300_000,
    'ms',
    'Time that a peer may need to read all buffered responses at its current speed. Slower reading is not progress',
  ),
  keepaliveIntervalMs: row(
    60_000,
    'ms',
    'Time without a byte from the peer after which the server sends a keepalive PING',
  ),
  keepaliveTimeoutMs: row(
    20_000,
    'ms',
    'Time in which the peer must send a byte after the keepalive PING. Beyond the limit, the connection is closed',
  ),
  maxDrainPingMs: row(
    2_000,
    'ms',
    'Time that a drain waits for the acknowledgement of the PING that follows its GOAWAY',
  ),
  maxLingerMs: row(1_000, 'ms', 'Time that the socket stays open after the last frame, so that a GOAWAY can arrive'),
  maxFrameBudget: row(
    10_000,
    'points',
    'Frame budget of a connection. Frames that serve no call consume points: early resets, PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, frames on closed streams, and small DATA frames that the server sends because the peer opens its window by a few bytes at a time. When the budget is exhausted, the connection ends with GOAWAY ENHANCE_YOUR_CALM (CVE-2023-44487, CVE-2019-9512 to 9518, CVE-2025-8671)',
  ),
  frameBudgetPerSecond: row(
    1_000,
    'points/s',
    'Points by which the frame budget is replenished each second. Each finished call and each DATA frame that the server sends replenish it by two more points',
  ),
} as const satisfies Record<string, LimitRow>;

type Http2OwnLimits = { readonly [Name in keyof typeof HTTP2_LIMIT_ROWS]: number };

export interface Http2Limits extends TransportLimits, Http2OwnLimits {}

export const HTTP2_LIMITS = Object.fromEntries(
  Object.entries(HTTP2_LIMIT_ROWS).map(([name, { value }]) => [name, value]),
) as Http2OwnLimits;

/**
 * Number by which `limitsWithin` divides the container's memory. Unfinished requests may use at most 1/8 of the memory,
 * and buffered responses another 1/8.
 */
const MEMORY_DIVISOR = 8;

/** Returns the limits that depend on the memory of the container. `memoryBytes` is 0 if that memory is not limited. */
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
    'After reading this page you know how much of each resource a peer may use, and what the server does beyond each limit. A peer that',
    'exceeds a limit does not affect other peers. The limits that both transports share are in [grpc.md](../reference/grpc.md#limits).',
    'The page on the [built-in server](transport.md) explains how the server works. This page is generated from',
    'src/grpc/http2/limits/http2-limits.ts (`make docs`).',
    '',
    '| limit | value | what it limits |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
