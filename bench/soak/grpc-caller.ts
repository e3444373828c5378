/**
 * Unary gRPC calls over node:http2, with several calls in flight on each of several connections.
 *
 * 1. Every call ends. Each call has a deadline, and the client gives up some time after the deadline if the server does not end the call.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Call } from './memory-calls.ts';

const CONNECTIONS = 4;
const CALLS_PER_CONNECTION = 2;
const DEADLINE_S = 30;
const GIVE_UP_MS = 60_000;
const FRAME_HEADER_BYTES = 5;

export interface Ended {
  /** gRPC status code, or the way in which the stream ended. */
  readonly status: string;
  /** Response message, which is empty if the server sent none. */
  readonly message: Buffer;
}

export class GrpcCaller {
  readonly #sessions: readonly ClientHttp2Session[];

  constructor(address: string) {
    this.#sessions = Array.from({ length: CONNECTIONS }, () => {
      const session = connect(`http://${address}`);
      // The listener ignores connection errors, because each failed call reports the error.
      session.on('error', () => undefined);
      return session;
    });
  }

  /** Sends the calls that `next` returns, with several in flight, until `next` returns undefined and all calls have ended. */
  async run(next: () => Call | undefined, onEnd: (ended: Ended, call: Call) => void): Promise<void> {
    const work = async (session: ClientHttp2Session): Promise<void> => {
      for (let call = next(); call !== undefined; call = next()) {
        onEnd(await this.#call(session, call), call);
      }
    };
    const workers = this.#sessions.flatMap((session) =>
      Array.from({ length: CALLS_PER_CONNECTION }, () => work(session)),
    );
    await Promise.all(workers);
  }

  close(): void {
    for (const session of this.#sessions) {
      session.destroy();
    }
  }

  #call(session: ClientHttp2Session, { path, message }: Call): Promise<Ended> {
    if (session.destroyed || session.closed) {
      return Promise.resolve({ status: 'connection lost', message: Buffer.alloc(0) });
    }
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + message.length);
    frame.writeUInt32BE(message.length, 1);
    message.copy(frame, FRAME_HEADER_BYTES);
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let status = 'no status';
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': `${DEADLINE_S}S`,
      });
      const timer = setTimeout(() => stream.destroy(), GIVE_UP_MS);
      const read = (headers: Record<string, unknown>): void => {
        status = String(headers['grpc-status'] ?? status);
      };
      stream.on('response', read);
      stream.on('trailers', read);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', () => undefined);
      stream.on('close', () => {
        clearTimeout(timer);
        resolve({ status, message: Buffer.concat(chunks).subarray(FRAME_HEADER_BYTES) });
      });
      stream.end(frame);
    });
  }
}
