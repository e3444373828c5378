/**
 * The transport of our own: gRPC over HTTP/2 in clear text with prior knowledge, on loopback TCP and a unix socket.
 *
 * Promises: those of transport.ts, and those of limits.ts for every peer. docs/transport.md says how it works.
 */
import type { Clock } from '../../lib/clock.ts';
import { Listeners } from '../transport/listen-addresses.ts';
import { TRANSPORT_LIMITS, type Transport, type TransportLog, type TransportOptions } from '../transport/transport.ts';
import { DeadlineWatch } from './calls/deadline-watch.ts';
import type { HeaderRules } from './calls/request-headers.ts';
import { type ConnectionHost, Http2Connection } from './connection.ts';
import { SWEEP_MS } from './connection-lifetime.ts';
import { type ConnectionFault, DROP_REASONS } from './frames/protocol.ts';
import { Pool, type SharedBudget } from './limits/global-budget.ts';
import { HTTP2_LIMITS, type Http2Limits } from './limits/http2-limits.ts';

const CLOSE_WAIT_MS = 1_000;

export async function startHttp2Transport(
  options: TransportOptions & { limits?: Partial<Http2Limits> },
): Promise<Transport> {
  const transport = new Http2Transport(options);
  await transport.listen(options.listen);
  return transport;
}

class Http2Transport implements Transport, ConnectionHost {
  tcpPort: number | undefined;
  readonly rules: HeaderRules;
  readonly limits: Http2Limits;
  readonly clock: Clock;
  readonly log: TransportLog;
  readonly defaultDeadlineMs: number;
  readonly budget: SharedBudget;
  readonly #onConnectionDropped: TransportOptions['onConnectionDropped'];
  readonly #listeners: Listeners;
  readonly #connections = new Set<Http2Connection>();
  readonly #deadlines: DeadlineWatch;
  readonly #sweeper: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: TransportOptions & { limits?: Partial<Http2Limits> }) {
    this.limits = { ...TRANSPORT_LIMITS, ...HTTP2_LIMITS, ...options.limits };
    const { maxMetadataBytes, maxMetadataFields } = this.limits;
    this.rules = { table: options.table, maxMetadataBytes, maxMetadataFields };
    this.budget = {
      held: new Pool(this.limits.maxBufferedRequestBytes),
      waiting: new Pool(this.limits.maxBufferedAnswerBytes),
    };
    this.clock = options.clock;
    this.log = options.log;
    this.#onConnectionDropped = options.onConnectionDropped;
    this.defaultDeadlineMs = options.defaultDeadlineMs;
    this.#deadlines = new DeadlineWatch({ clock: options.clock, expire: (nowMs) => this.#expire(nowMs) });
    this.#listeners = new Listeners({
      maxConnections: this.limits.maxConnections,
      onConnection: (socket) => this.#connections.add(new Http2Connection(socket, this)),
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

  watchDeadline(deadlineAtMs: number): void {
    this.#deadlines.watch(deadlineAtMs);
  }

  closed(connection: Http2Connection): void {
    this.#connections.delete(connection);
  }

  dropped(fault: ConnectionFault): void {
    this.#onConnectionDropped?.(DROP_REASONS[fault.code]);
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
