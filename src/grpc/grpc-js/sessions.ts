/**
 * Tracks the HTTP/2 connections of the grpc-js transport, and drains them without losing a call.
 *
 *   1. A GOAWAY with the highest stream id asks the client to open no more calls. Calls that it sent before it saw the
 *      GOAWAY are served.
 *   2. A connection that reaches its maximum age receives this GOAWAY and a PING. It closes after the acknowledgement
 *      of the PING, because every such call has arrived by then.
 *   3. A connection is tracked from its first call, and its age is measured from then.
 *
 * The library would send GOAWAY and close at once, and after a GOAWAY of `node:http2`, nghttp2 ignores every later
 * stream. This module therefore writes its GOAWAY directly to the socket. Each write of `node:http2` contains complete
 * frames, so the GOAWAY never splits a frame.
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
   * Keeps a reference to the socket. It must be called before the library gets the socket, because a session exposes
   * only a proxy that cannot be written to.
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

  /** Asks the client of every connection to open no more calls. Calls that arrive anyway are served. */
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
