/**
 * The HTTP/2 connections of the grpc-js transport, and how they are drained without losing a call.
 *
 *   1. A GOAWAY with the highest stream id asks the client to open no more calls. Those that it sent before it saw the GOAWAY
 *      are served.
 *   2. A connection that has reached its age gets this GOAWAY and a PING. It closes after the answer to the PING, because by
 *      then every such call has arrived.
 *   3. A connection is known, and its age counts, from its first call.
 *
 * The library sends GOAWAY and closes at once, and the GOAWAY of `node:http2` makes nghttp2 ignore every later stream without
 * an answer. So this GOAWAY is written to the socket itself. Each write of `node:http2` holds whole frames, so no frame is torn.
 */
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** Header of a GOAWAY frame, the highest stream id, NO_ERROR (RFC 9113, section 6.8). */
const GOAWAY = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
const RAW = Symbol('socket');

export class GrpcJsSessions {
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #maxAgeMs: number;

  /** 0: connections of any age stay. */
  constructor(options: { maxConnectionAgeMs: number }) {
    this.#maxAgeMs = options.maxConnectionAgeMs;
  }

  /** To be called before the library gets the socket: what a session shows of it cannot be written to. */
  adopt(socket: Socket): void {
    Object.assign(socket, { [RAW]: { socket } });
  }

  /** A call arrived on this connection. */
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

  /** Tells every connection to open no more calls; those that come all the same are served. */
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

/** Ends the connection once its calls have ended. */
function close(session: ServerHttp2Session): void {
  if (!isOver(session)) {
    session.close();
  }
}

function isOver(session: ServerHttp2Session): boolean {
  return session.closed || session.destroyed;
}
