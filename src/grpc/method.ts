/**
 * The narrow contract between services and transports: a method is a row, a transport is given rows and nothing else.
 *
 * Promises a transport relies on:
 *   1. `decode` throws on malformed bytes (the transport answers INTERNAL with a fixed text) and keeps no reference to them
 *      after it returned, except that bytes fields may be views of a buffer that the transport never writes to again.
 *   2. `handler` answers with a value or a promise. A value stays synchronous down to the socket.
 *   3. `handler` may throw or reject; `errorStatus` (error-status.ts) turns that into a status. It never sees a call twice.
 * Promises a handler relies on:
 *   4. `context.deadlineAtMs` is finite: the caller's deadline, or the default where it set none.
 *   5. After the call ended (`isOver`), what the handler returns is dropped.
 */

/** A value is text of printable ASCII, or bytes where its key ends in -bin. */
export type MetadataEntry = readonly [key: string, value: string | Buffer];

export interface AnswerMetadata {
  readonly headers?: readonly MetadataEntry[];
  readonly trailers?: readonly MetadataEntry[];
}

export interface CallContext {
  /** When the call must have been answered, `Clock.monotonicMs()`. */
  readonly deadlineAtMs: number;
  /** First value of a request metadata key (lower case), or undefined; also undefined for binary keys (-bin). */
  metadata(key: string): string | undefined;
  /** First value of a binary key (it ends in -bin), or undefined. */
  binaryMetadata(key: string): Buffer | undefined;
  /**
   * Metadata of the answer. Headers go before the first message and must be set before it; trailers go with the status, errors
   * among them. The last call counts. Throws a TypeError for what metadata may not hold, and for more than 8 KiB.
   */
  answerWith(metadata: AnswerMetadata): void;
  /** True once the caller cancelled, the deadline passed or the connection went. */
  isOver(): boolean;
  /** Calls `listener` once when the call is over, at once if it is. */
  onOver(listener: () => void): void;
}

/** The answers of a streaming method. */
export interface ResponseStream<Response> {
  /** Hands over one message. False: the transport holds more than it likes to, wait for `writable` before the next. */
  send(response: Response): boolean;
  /** Resolves when more can be sent or the call is over; never rejects. */
  writable(): Promise<void>;
}

interface MethodBase<Request, Response> {
  /** `/package.Service/Method`. */
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
  /** The stream ends OK when the promise resolves. */
  handler(request: Request, context: CallContext, responses: ResponseStream<Response>): Promise<void>;
}

export interface BidiStreamMethod<Request, Response> extends MethodBase<Request, Response> {
  readonly kind: 'bidi_stream';
  handler(requests: AsyncIterable<Request>, context: CallContext, responses: ResponseStream<Response>): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds rows of many message types; each row is consistent in itself.
export type AnyMethod = UnaryMethod<any, any> | ServerStreamMethod<any, any> | BidiStreamMethod<any, any>;

/** All methods of a server, by path. */
export type MethodTable = ReadonlyMap<string, AnyMethod>;

/** The handlers of one service by method name (`CheckRateLimit`), as a capability's service.ts exports them. */
export type UnaryHandler<Request, Response> = (request: Request, context: CallContext) => Response | Promise<Response>;
export type ServerStreamHandler<Request, Response> = (
  request: Request,
  context: CallContext,
  responses: ResponseStream<Response>,
) => Promise<void>;
