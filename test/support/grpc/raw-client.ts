/**
 * Makes gRPC calls with raw bytes. The module uses @grpc/grpc-js, and uses node:http2 for requests that a client
 * library would not send.
 *
 * Invariant: the promise of a call resolves to its outcome, and does not reject if the call fails.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import grpc from '@grpc/grpc-js';

interface RawOptions {
  readonly deadlineMs?: number;
  readonly metadata?: Readonly<Record<string, string | Buffer>>;
}

export interface RawEnd {
  readonly code: number;
  readonly details: string;
  readonly trailers: grpc.Metadata;
}

export interface RawAnswer extends RawEnd {
  /** Response of a call that ended with OK. */
  readonly bytes: Buffer | undefined;
}

interface RawCall {
  readonly ended: Promise<RawAnswer>;
  cancel(): void;
}

interface RawStream {
  readonly call: grpc.ClientDuplexStream<Buffer, Buffer>;
  /** Messages received so far. `call.pause()` stops reading. */
  readonly messages: Buffer[];
  readonly ended: Promise<RawEnd>;
}

export interface RawClient {
  /** Makes one attempt, without waiting for a connection to become ready. */
  unary(path: string, bytes: Buffer, options?: RawOptions): Promise<RawAnswer>;
  start(path: string, bytes: Buffer, options?: RawOptions): RawCall;
  serverStream(path: string, bytes: Buffer, options?: RawOptions): RawStream;
  bidi(path: string, options?: RawOptions): RawStream;
  close(): void;
}

/** Connects to `address`, which has the form host:port or unix:PATH. */
export function connectRaw(address: string): RawClient {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  });

  function start(path: string, bytes: Buffer, options?: RawOptions): RawCall {
    let cancel = (): void => {};
    const ended = new Promise<RawAnswer>((resolve) => {
      let answer: Buffer | undefined;
      const call = client.makeUnaryRequest(
        path,
        same,
        same,
        bytes,
        metadataOf(options),
        callOptions(options),
        (_error, response) => {
          answer = response;
        },
      );
      call.on('status', (status) => {
        // The response and the status arrive in the same turn of the event loop, in either order.
        setImmediate(() => {
          resolve({ code: status.code, details: status.details, trailers: status.metadata, bytes: answer });
        });
      });
      cancel = () => call.cancel();
    });
    return { ended, cancel: () => cancel() };
  }

  return {
    start,
    unary: (path, bytes, options) => start(path, bytes, options).ended,
    serverStream: (path, bytes, options) => {
      const call = client.makeServerStreamRequest(path, same, same, bytes, metadataOf(options), callOptions(options));
      return watched(call as unknown as grpc.ClientDuplexStream<Buffer, Buffer>);
    },
    bidi: (path, options) => {
      return watched(client.makeBidiStreamRequest(path, same, same, metadataOf(options), callOptions(options)));
    },
    close: () => client.close(),
  };
}

function watched(call: grpc.ClientDuplexStream<Buffer, Buffer>): RawStream {
  const messages: Buffer[] = [];
  call.on('data', (message: Buffer) => messages.push(message));
  call.on('error', () => {});
  const ended = new Promise<RawEnd>((resolve) => {
    call.on('status', (status) => {
      resolve({ code: status.code, details: status.details, trailers: status.metadata });
    });
  });
  return { call, messages, ended };
}

function same(bytes: Buffer): Buffer {
  return bytes;
}

function metadataOf(options: RawOptions | undefined): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(options?.metadata ?? {})) {
    metadata.set(key, value);
  }
  return metadata;
}

function callOptions(options: RawOptions | undefined): grpc.CallOptions {
  return options?.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
}

export interface Http2End {
  /** Headers and trailers; empty if the stream was reset before any headers arrived. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly resetCode: number;
}

/** Opens an HTTP/2 connection over TCP. The caller must destroy the connection. */
export function connectHttp2(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  return session;
}

/**
 * Sends a POST request with the headers of a gRPC client and the unchanged `body`. `headers` overrides the headers of
 * the client.
 */
export function http2Call(
  session: ClientHttp2Session,
  path: string,
  options: { headers?: Record<string, string>; body?: Buffer } = {},
): Promise<Http2End> {
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...options.headers,
    });
    let headers: Record<string, unknown> = {};
    const chunks: Buffer[] = [];
    stream.on('response', (fields) => {
      headers = { ...headers, ...fields };
    });
    stream.on('trailers', (fields) => {
      headers = { ...headers, ...fields };
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => {});
    stream.on('close', () => resolve({ headers, body: Buffer.concat(chunks), resetCode: stream.rstCode ?? 0 }));
    stream.end(options.body ?? frame(Buffer.alloc(0)));
  });
}

/** Returns a message with its gRPC prefix of five bytes. */
export function frame(message: Buffer, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
