/**
 * What every transport is: started with a method table and nothing else, drained or closed. One contract suite
 * (test/support/grpc/transport-contract.ts) holds for all of them.
 */
import type { Clock } from '../../lib/clock.ts';
import type { MethodTable } from '../method.ts';

export interface TransportOptions {
  readonly table: MethodTable;
  /** One of them or both. */
  readonly listen: {
    readonly tcp?: { readonly host: string; readonly port: number };
    readonly socketPath?: string;
    /** Permissions of the socket; unset = 0660. */
    readonly socketMode?: number;
  };
  /** The deadline of unary calls that set none. */
  readonly defaultDeadlineMs: number;
  readonly clock: Clock;
  readonly limits?: Partial<TransportLimits>;
  readonly log: TransportLog;
  /** Where health and metrics are served over HTTP/1.1, e.g. `http://127.0.0.1:9471`: named to a client that speaks HTTP/1.x to this port. */
  readonly adminUrl?: string | undefined;
  /** A peer broke a rule or a limit and was cut off, for the reason that metrics name. Only the built-in HTTP/2 server reports it. */
  readonly onConnectionDropped?: (reason: string) => void;
}

export interface TransportLimits {
  /** One message, after decompression. */
  readonly maxMessageBytes: number;
  /** All request headers of a call: names, values and 32 bytes each, as HTTP/2 counts them. */
  readonly maxMetadataBytes: number;
  /** Calls at a time on one connection; clients queue what comes on top. */
  readonly maxStreamsPerConnection: number;
  readonly maxConnections: number;
  /** Then a connection is drained, and its caller connects anew; 0: never. */
  readonly maxConnectionAgeMs: number;
  /** Without a call for so long a connection is drained; 0: never. */
  readonly maxConnectionIdleMs: number;
}

export const TRANSPORT_LIMITS: TransportLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxMetadataBytes: 16 * 1024,
  maxStreamsPerConnection: 2_000,
  maxConnections: 1_000,
  // There is one server behind this port: nothing to balance anew.
  maxConnectionAgeMs: 0,
  maxConnectionIdleMs: 1_800_000,
};

/** Where unexpected errors go; a pino logger is one. */
export interface TransportLog {
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

export interface Transport {
  /** The port that was bound, where TCP was asked for. */
  readonly tcpPort: number | undefined;
  /** Connections that are open. */
  readonly connections: number;
  /** Refuses new connections, lets calls in flight end, ends streams, and is closed after `graceMs` at the latest. */
  drain(graceMs: number): Promise<void>;
  /** Ends everything now. Both may be called again, and one after the other. */
  close(): Promise<void>;
}
