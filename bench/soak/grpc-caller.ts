/**
 * Unary calls on node:http2, several at a time on each of some connections.
 *
 * Every call ends: it carries a deadline, and one that the server never ends is given up a little later.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Call } from './memory-calls.ts';

const CONNECTIONS = 4;
const CALLS_PER_CONNECTION = 2;
const DEADLINE_S = 30;
const GIVE_UP_MS = 60_000;
const FRAME_HEADER_BYTES = 5;

export interface Ended {
  /** A gRPC code, or what became of the stream. */
  readonly status: string;
  /** Empty where the call was not answered. */
  readonly message: Buffer;
}

export class GrpcCaller {
  readonly #sessions: readonly ClientHttp2Session[];

  constructor(address: string) {
    this.#sessions = Array.from({ length: CONNECTIONS }, () => {
      const session = connect(`http://${address}`);
      // Calls say what they met.
      session.on('error', () => undefined);
      return session;
    });
  }

  /** Calls what `next` returns, several at a time, until it returns undefined and all have ended. */
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
