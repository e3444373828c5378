/**
 * Defines the interface between services and transports. A transport uses a method only through its entry in the method
 * table.
 *
 * A transport relies on these invariants:
 *   1. `decode` throws if the bytes are malformed, and the transport then returns INTERNAL with a fixed message. After
 *      `decode` has returned, only the bytes fields of the message may refer to the buffer. The transport never writes
 *      to the buffer again.
 *   2. `handler` returns a value or a promise. A value is written to the socket in the same turn of the event loop.
 *   3. `handler` may throw, or return a promise that rejects. `errorStatus` (error-status.ts) converts the error to a
 *      status.
 * A handler relies on these invariants:
 *   4. `context.deadlineAtMs` is finite: the caller's deadline, or the default deadline if the caller set no deadline.
 *   5. The transport drops the result of a handler if the call has already ended (`isOver`).
 *   6. The transport passes a call to its handler only once.
 */

/** Entry of metadata. The value is a string of printable ASCII, or a Buffer if the key ends in -bin. */
export type MetadataEntry = readonly [key: string, value: string | Buffer];

export interface AnswerMetadata {
  readonly headers?: readonly MetadataEntry[];
  readonly trailers?: readonly MetadataEntry[];
}

export interface CallContext {
  /** Deadline of the call, as a time of the clock `Clock.monotonicMs()`. */
  readonly deadlineAtMs: number;
  /**
   * Returns the first value of `key`, which must be in lower case. Returns undefined if there is no value, or if the
   * key ends in -bin.
   */
  metadata(key: string): string | undefined;
  /** Returns the first value of a key that ends in -bin, or undefined if there is no value. */
  binaryMetadata(key: string): Buffer | undefined;
  /**
   * Sets the metadata of the response, and replaces metadata that was set earlier. A handler must set headers before it
   * sends the first message. The transport sends trailers with the status, even if the status is an error. Throws a
   * TypeError if the metadata is invalid or larger than 8 KiB.
   */
  answerWith(metadata: AnswerMetadata): void;
  /**
   * Returns true once the call has its final status, is cancelled, has passed its deadline, or has lost its
   * connection.
   */
  isOver(): boolean;
  /** Calls `listener` once when the call ends, or immediately if it has already ended. */
  onOver(listener: () => void): void;
}

/** Sends the responses of a streaming method. */
export interface ResponseStream<Response> {
  /**
   * Sends one message. Returns false if the buffer is full. In this case the handler must wait for `writable` before it
   * sends the next message.
   */
  send(response: Response): boolean;
  /** Resolves when more messages can be sent or the call has ended. Never rejects. */
  writable(): Promise<void>;
}

interface MethodBase<Request, Response> {
  /** Path of the method: `/package.Service/Method`. */
  readonly path: string;
  decode(bytes: Buffer): Request;
  encode(response: Response): Buffer;
}

export interface UnaryMethod<Request, Response> extends MethodBase<Request, Response> {
  readonly kind: 'unary';
  handler(request: Request, context: CallContext): Response | Promise<Response>;
}

export interface ServerStreamMethod<Request, Response> extends MethodBase<Request, Response> {
  readonly kind: 'server_stream';
  /** Handles a call. When the returned promise resolves, the transport ends the stream with OK. */
  handler(request: Request, context: CallContext, responses: ResponseStream<Response>): Promise<void>;
}

export interface BidiStreamMethod<Request, Response> extends MethodBase<Request, Response> {
  readonly kind: 'bidi_stream';
  handler(requests: AsyncIterable<Request>, context: CallContext, responses: ResponseStream<Response>): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: a table contains methods of many message types; each entry is consistent in itself.
export type AnyMethod = UnaryMethod<any, any> | ServerStreamMethod<any, any> | BidiStreamMethod<any, any>;

/** Methods of a server, by path. */
export type MethodTable = ReadonlyMap<string, AnyMethod>;

/** Type of a unary handler, for the service.ts of a capability. */
export type UnaryHandler<Request, Response> = (request: Request, context: CallContext) => Response | Promise<Response>;
export type ServerStreamHandler<Request, Response> = (
  request: Request,
  context: CallContext,
  responses: ResponseStream<Response>,
) => Promise<void>;
