/**
 * Tracks the HTTP/2 connections of the grpc-js transport, and drains them without losing a call.
 *
 *   1. A GOAWAY with the highest stream id asks the client to open no more calls. The transport serves the calls that
 *      the client sent before it received the GOAWAY.
 *   2. A connection that reaches its maximum age receives this GOAWAY and a PING. The connection closes after the
 *      client has acknowledged the PING, because every call that the client sent before it received the GOAWAY has
 *      arrived by that time.
 *   3. The module tracks a connection from its first call, and measures the age of the connection from that call.
 *
 * The library itself would send GOAWAY and close the connection at once. After a GOAWAY sent with `node:http2`, nghttp2
 * would ignore every later stream. This module therefore writes its GOAWAY directly to the socket. Each write of
 * `node:http2` consists of complete frames, so the GOAWAY is never inside another frame.
 */
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** GOAWAY frame with the highest stream id and NO_ERROR (RFC 9113, section 6.8). */
const GOAWAY = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
const RAW = Symbol('socket');

export class GrpcJsSessions {
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #maxAgeMs: number;

  /** Creates the tracker. A `maxConnectionAgeMs` of 0 sets no maximum age. */
  constructor(options: { maxConnectionAgeMs: number }) {
    this.#maxAgeMs = options.maxConnectionAgeMs;
  }

  /**
   * Keeps a reference to the socket. Must be called before the library receives the socket, because a session exposes
   * only a proxy that rejects writes.
   */
  adopt(socket: Socket): void {
    Object.assign(socket, { [RAW]: { socket } });
  }

  /** Tracks the connection of a call. */
  remember(session: ServerHttp2Session | undefined): void {
    if (session === undefined || this.#sessions.has(session)) {
      return;
    }
    this.#sessions.add(session);
    const timer = this.#maxAgeMs === 0 ? undefined : setTimeout(() => drain(session), this.#maxAgeMs).unref();
    session.once('close', () => {
      this.#sessions.delete(session);
      clearTimeout(timer);
    });
  }

  /**
   * Asks the client of every tracked connection to open no more calls. The transport still serves calls that arrive
   * after this request.
   */
  announceEnd(): void {
    for (const session of this.#sessions) {
      announceEnd(session);
    }
  }
}

function drain(session: ServerHttp2Session): void {
  announceEnd(session);
  const isSent = !isOver(session) && session.ping(() => close(session));
  if (!isSent) {
    close(session);
  }
}

function announceEnd(session: ServerHttp2Session): void {
  if (!isOver(session)) {
    const shown = session.socket as unknown as { [RAW]?: { socket: Socket } } | undefined;
    shown?.[RAW]?.socket.write(GOAWAY);
  }
}

/** Closes the connection once its calls have ended. */
function close(session: ServerHttp2Session): void {
  if (!isOver(session)) {
    session.close();
  }
}

function isOver(session: ServerHttp2Session): boolean {
  return session.closed || session.destroyed;
}
