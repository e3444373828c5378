/**
 * Transport based on @grpc/grpc-js. The library handles HTTP/2 and gRPC framing; our own code listens for connections
 * (listen-addresses.ts).
 *
 * Our own code also decodes messages and handles errors and deadlines, so that error messages, logs and limits are the
 * same on both transports. The handlers that the library calls therefore receive and return raw buffers.
 * stream-guard.ts and message-guard.ts work around bugs of the library before a call or a message reaches a handler.
 * The library has its own timer for the caller's deadline, and ends a call that is still open when the timer fires.
 */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { Listeners } from '../transport/listen-addresses.ts';
import {
  TRANSPORT_LIMITS,
  type Transport,
  type TransportLimits,
  type TransportOptions,
} from '../transport/transport.ts';
import { type CallRuntime, registerMethod } from './handlers.ts';
import { guardMessages } from './message-guard.ts';
import { GrpcJsSessions } from './sessions.ts';
import { guardStreams } from './stream-guard.ts';

const KEEPALIVE_TIME_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
/**
 * Maximum time between the first GOAWAY and the end of the streams. The transport serves calls that arrive during this
 * time.
 */
const MAX_SOFT_DRAIN_MS = 50;

export async function startGrpcJsTransport(options: TransportOptions): Promise<Transport> {
  const transport = new GrpcJsTransport(options);
  await transport.listen(options.listen);
  return transport;
}

class GrpcJsTransport implements Transport {
  tcpPort: number | undefined;
  readonly #server: Server;
  readonly #listeners: Listeners;
  readonly #limits: TransportLimits;
  readonly #injector: ReturnType<Server['createConnectionInjector']>;
  readonly #sessions: GrpcJsSessions;
  readonly #runtime: CallRuntime;
  #isClosed = false;

  constructor(options: TransportOptions) {
    // Turns off the log of the library, because the library would write invalid metadata, including values, to stderr.
    setLogVerbosity(logVerbosity.NONE);
    this.#limits = { ...TRANSPORT_LIMITS, ...options.limits };
    const { maxConnectionIdleMs } = this.#limits;
    this.#server = new Server({
      'grpc.max_receive_message_length': this.#limits.maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': this.#limits.maxStreamsPerConnection,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.enable_channelz': 0,
      interceptors: [guardMessages(this.#limits)],
      ...(maxConnectionIdleMs === 0 ? {} : { 'grpc.max_connection_idle_ms': maxConnectionIdleMs }),
    });
    this.#runtime = {
      clock: options.clock,
      defaultDeadlineMs: options.defaultDeadlineMs,
      log: options.log,
      streams: new Set(),
    };
    for (const method of options.table.values()) {
      registerMethod(this.#server, method, this.#runtime);
    }
    this.#sessions = new GrpcJsSessions(this.#limits);
    guardStreams(this.#server, {
      isKnown: (path) => options.table.has(path),
      maxMetadataBytes: this.#limits.maxMetadataBytes,
      sessions: this.#sessions,
    });
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#listeners = new Listeners({
      maxConnections: this.#limits.maxConnections,
      onConnection: (socket) => {
        this.#sessions.adopt(socket);
        this.#injector.injectConnection(socket);
      },
    });
  }

  get connections(): number {
    return this.#listeners.connections;
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
    const endMs = performance.now() + graceMs;
    this.#listeners.stopListening();
    this.#sessions.announceEnd();
    await this.#listeners.whenEmpty(Math.min(MAX_SOFT_DRAIN_MS, graceMs / 4));
    for (const stream of [...this.#runtime.streams]) {
      stream.endForDrain();
    }
    this.#injector.drain(graceMs);
    await this.#listeners.whenEmpty(Math.max(0, endMs - performance.now()));
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#listeners.stopListening();
    this.#server.forceShutdown();
    this.#listeners.destroyConnections();
    await this.#listeners.whenEmpty(1_000);
  }
}
