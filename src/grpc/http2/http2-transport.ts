/**
 * Built-in HTTP/2 server: serves gRPC over HTTP/2 without TLS (prior knowledge) on loopback TCP and a unix socket.
 *
 * Invariants: the server keeps the invariants of transport.ts, and enforces the limits of http2-limits.ts for every
 * peer. docs/internals/transport.md explains the design.
 */
import type { Socket } from 'node:net';
import { Listeners } from '../transport/listen-addresses.ts';
import { TRANSPORT_LIMITS, type Transport, type TransportOptions } from '../transport/transport.ts';
import { DeadlineWatch } from './calls/deadline-watch.ts';
import { Http2Connection, type SharedConnectionParts } from './connection.ts';
import { SWEEP_MS } from './connection-lifetime.ts';
import { DROP_REASONS } from './frames/protocol.ts';
import { GlobalBudget } from './limits/global-budget.ts';
import { HTTP2_LIMITS, type Http2Limits } from './limits/http2-limits.ts';

const CLOSE_WAIT_MS = 1_000;

export async function startHttp2Transport(
  options: TransportOptions & { limits?: Partial<Http2Limits> },
): Promise<Transport> {
  const transport = new Http2Transport(options);
  await transport.listen(options.listen);
  return transport;
}

class Http2Transport implements Transport {
  tcpPort: number | undefined;
  readonly #shared: SharedConnectionParts;
  readonly #listeners: Listeners;
  readonly #connections = new Set<Http2Connection>();
  readonly #deadlines: DeadlineWatch;
  readonly #sweeper: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: TransportOptions & { limits?: Partial<Http2Limits> }) {
    const { table, clock, log, defaultDeadlineMs, adminUrl, onConnectionDropped } = options;
    const limits: Http2Limits = { ...TRANSPORT_LIMITS, ...HTTP2_LIMITS, ...options.limits };
    const { maxMetadataBytes, maxMetadataFields } = limits;
    this.#deadlines = new DeadlineWatch({ clock, expire: (nowMs) => this.#expire(nowMs) });
    this.#shared = {
      rules: { table, maxMetadataBytes, maxMetadataFields },
      limits,
      clock,
      log,
      defaultDeadlineMs,
      deadlines: this.#deadlines,
      budgets: {
        requests: new GlobalBudget(limits.maxBufferedRequestBytes),
        answers: new GlobalBudget(limits.maxBufferedAnswerBytes),
      },
      adminUrl,
      onDropped: (fault) => onConnectionDropped?.(DROP_REASONS[fault.code]),
    };
    this.#listeners = new Listeners({
      maxConnections: limits.maxConnections,
      onConnection: (socket) => this.#connected(socket),
    });
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  get connections(): number {
    return this.#connections.size;
  }

  async listen(where: TransportOptions['listen']): Promise<void> {
    try {
      this.tcpPort = await this.#listeners.listen(where);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async drain(graceMs: number): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#listeners.stopListening();
    for (const connection of this.#connections) {
      connection.drain();
    }
    await this.#listeners.whenEmpty(graceMs);
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#listeners.stopListening();
    clearInterval(this.#sweeper);
    this.#deadlines.close();
    for (const connection of this.#connections) {
      connection.destroy();
    }
    await this.#listeners.whenEmpty(CLOSE_WAIT_MS);
  }

  #connected(socket: Socket): void {
    const connection = new Http2Connection(socket, this.#shared);
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
  }

  #expire(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const connection of this.#connections) {
      nextMs = Math.min(nextMs, connection.expire(nowMs));
    }
    return nextMs;
  }

  #sweep(): void {
    for (const connection of this.#connections) {
      connection.sweep();
    }
  }
}
