/**
 * Defines the interface of a transport, which serves a method table and can be drained or closed.
 *
 * Invariant: every transport passes the contract suite (test/support/grpc/transport-contract.ts).
 */
import type { Clock } from '../../lib/clock.ts';
import type { MethodTable } from '../method.ts';

export interface TransportOptions {
  readonly table: MethodTable;
  /** Addresses to listen on; at least one must be set. */
  readonly listen: {
    readonly tcp?: { readonly host: string; readonly port: number };
    readonly socketPath?: string;
    /** Permissions of the socket, 0660 by default. */
    readonly socketMode?: number;
  };
  /** Deadline of unary calls whose caller set no deadline. */
  readonly defaultDeadlineMs: number;
  readonly clock: Clock;
  readonly limits?: Partial<TransportLimits>;
  readonly log: TransportLog;
  /**
   * URL of the server for health and metrics, e.g. `http://127.0.0.1:9471`. The error for a client that uses HTTP/1.x
   * on the gRPC port contains this URL.
   */
  readonly adminUrl?: string | undefined;
  /**
   * Called when a connection is dropped because its peer violated the protocol or exceeded a limit. Only the built-in
   * HTTP/2 server calls this function.
   */
  readonly onConnectionDropped?: (reason: string) => void;
}

export interface TransportLimits {
  /** Maximum size of a message after decompression. */
  readonly maxMessageBytes: number;
  /** Maximum size of the request headers of a call: names, values and 32 bytes each, as HTTP/2 counts them. */
  readonly maxMetadataBytes: number;
  /** Maximum number of concurrent calls of a connection. Clients queue further calls. */
  readonly maxStreamsPerConnection: number;
  readonly maxConnections: number;
  /** Age after which a connection is drained, so that its client reconnects; 0 means no limit. */
  readonly maxConnectionAgeMs: number;
  /** Time without a call after which a connection is drained; 0 means no limit. */
  readonly maxConnectionIdleMs: number;
}

export const TRANSPORT_LIMITS: TransportLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxMetadataBytes: 16 * 1024,
  maxStreamsPerConnection: 2_000,
  maxConnections: 1_000,
  // No limit, because only one server listens on the port, so reconnecting would not balance the load.
  maxConnectionAgeMs: 0,
  maxConnectionIdleMs: 1_800_000,
};

/** Logger for unexpected errors. A pino logger implements this interface. */
export interface TransportLog {
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

export interface Transport {
  /** Bound TCP port; undefined without a TCP address. */
  readonly tcpPort: number | undefined;
  /** Number of open connections. */
  readonly connections: number;
  /**
   * Stops accepting connections, ends streams, waits up to `graceMs` for unary calls in flight, and closes the
   * transport.
   */
  drain(graceMs: number): Promise<void>;
  /** Closes all connections at once. `drain` and `close` may be called several times and in any order. */
  close(): Promise<void>;
}
