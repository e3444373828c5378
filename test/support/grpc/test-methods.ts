/**
 * Creates a method table for the tests of transports, with one method per behavior, and records the calls of its
 * handlers.
 *
 * Requests and responses are raw bytes without a message type, because a transport does not know message types either.
 */
import { callControlInterceptor } from '../../../src/grpc/interceptors/call-control.ts';
import type {
  AnyMethod,
  BidiStreamMethod,
  CallContext,
  MethodTable,
  ResponseStream,
  ServerStreamMethod,
  UnaryMethod,
} from '../../../src/grpc/method.ts';
import type { Handler } from '../../../src/grpc/service-table.ts';
import { Status, type StatusCode, StatusError } from '../../../src/grpc/status.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { TimerWheel } from '../../../src/lib/timer-wheel.ts';

/** Call whose handler waits until the test releases it. */
interface HeldCall {
  readonly context: CallContext;
  /** Number of times that the `onOver` listener was called. */
  overCount: number;
  release(answer: Buffer): void;
}

interface FloodRecord {
  sent: number;
  refusals: number;
  hasEnded: boolean;
}

/** Record of the calls that handlers received, by the text of the request. */
export interface Notebook {
  readonly started: string[];
  readonly held: Map<string, HeldCall>;
  readonly floods: Map<string, FloodRecord>;
}

export const FLOOD_MESSAGE_BYTES = 16 * 1024;
/** First byte of a message that `decode` rejects. */
export const GARBAGE_BYTE = 0xff;
export const SECRET_TEXT = 'the-secret-of-a-handler';

/** Error that `Fail` and `FailLater` throw. The request contains the error as JSON. */
interface RequestedFailure {
  readonly code: number;
  readonly message: string;
  readonly retryPushbackMs?: number;
}

export function methodPath(name: string): string {
  return `/pannier.test.v1.TestService/${name}`;
}

export function createTestMethods(): { table: MethodTable; notebook: Notebook } {
  const notebook: Notebook = { started: [], held: new Map(), floods: new Map() };
  const methods: AnyMethod[] = [
    unary('Echo', (request) => request),
    unary('EchoLater', async (request) => await new Promise((resolve) => setImmediate(resolve, request))),
    unary('Fail', (request) => {
      throw requestedFailure(request);
    }),
    unary('FailLater', async (request) => {
      await new Promise((resolve) => setImmediate(resolve));
      throw requestedFailure(request);
    }),
    unary('Break', () => {
      throw new Error(SECRET_TEXT);
    }),
    unary('BreakLater', async () => {
      throw new TypeError(SECRET_TEXT);
    }),
    unary('Inspect', (request, context) => inspect(notebook, request, context)),
    timed(unary('InspectInTime', (request, context) => inspect(notebook, request, context))),
    timed(unary('HoldInTime', (request, context) => hold(notebook, request, context))),
    unary('Adorn', adorn),
    unary('AdornBadly', (request, context) => {
      context.answerWith({ headers: [['grpc-status', '0']] });
      return request;
    }),
    serverStream('AdornStream', async (request, context, responses) => {
      responses.send(adorn(request, context));
    }),
    unary('Hold', (request, context) => hold(notebook, request, context)),
    { ...unary('BadAnswer', (request) => request), encode: refuseAnswer },
    serverStream('Flood', (request, context, responses) => flood(notebook, request, context, responses)),
    serverStream('HoldStream', async (request, context, responses) => {
      responses.send(request);
      responses.send(await hold(notebook, request, context));
    }),
    serverStream('InspectStream', async (request, context, responses) => {
      responses.send(inspect(notebook, request, context));
    }),
    serverStream('FailStream', async (request, _context, responses) => {
      responses.send(request);
      throw requestedFailure(request);
    }),
    serverStream('BreakStream', () => {
      throw new Error(SECRET_TEXT);
    }),
    unary('RejectNothing', () => Promise.reject()),
    serverStream('RejectNothingStream', () => Promise.reject()),
    bidiStream('Converse', converse),
    bidiStream('ConverseLater', async (requests, context, responses) => {
      await hold(notebook, Buffer.from('converse later'), context);
      await converse(requests, context, responses);
    }),
  ];
  return { table: new Map(methods.map((method) => [method.path, method])), notebook };
}

type UnaryHandlerOfBytes = UnaryMethod<Buffer, Buffer>['handler'];

function codec(name: string) {
  return { path: methodPath(name), decode: decodeCopy, encode: (response: Buffer) => response };
}

function unary(name: string, handler: UnaryHandlerOfBytes): UnaryMethod<Buffer, Buffer> {
  return { ...codec(name), kind: 'unary', handler };
}

/** Wraps the handler in callControlInterceptor, as the sidecar does for every method. */
function timed(method: UnaryMethod<Buffer, Buffer>): AnyMethod {
  const interceptor = callControlInterceptor({
    clock: systemClock,
    wheel: new TimerWheel({ clock: systemClock }),
    metrics: { method: () => ({ started: () => {}, finished: () => {} }) },
    maxCallsInFlight: 1_000,
    maxStreamsInFlight: 1_000,
  });
  return { ...method, handler: interceptor(method, method.handler as Handler) as UnaryHandlerOfBytes };
}

function serverStream(
  name: string,
  handler: ServerStreamMethod<Buffer, Buffer>['handler'],
): ServerStreamMethod<Buffer, Buffer> {
  return { ...codec(name), kind: 'server_stream', handler };
}

function bidiStream(
  name: string,
  handler: BidiStreamMethod<Buffer, Buffer>['handler'],
): BidiStreamMethod<Buffer, Buffer> {
  return { ...codec(name), kind: 'bidi_stream', handler };
}

function decodeCopy(bytes: Buffer): Buffer {
  if (bytes[0] === GARBAGE_BYTE) {
    throw new Error(`${SECRET_TEXT}: malformed message`);
  }
  return Buffer.from(bytes);
}

function refuseAnswer(): Buffer {
  throw new RangeError(SECRET_TEXT);
}

function requestedFailure(request: Buffer): StatusError {
  const failure = JSON.parse(request.toString()) as RequestedFailure;
  const options = failure.retryPushbackMs === undefined ? undefined : { retryPushbackMs: failure.retryPushbackMs };
  return new StatusError(failure.code as StatusCode, failure.message, options);
}

/** Returns the remaining time and the values of the metadata keys that the request names. */
function inspect(notebook: Notebook, request: Buffer, context: CallContext): Buffer {
  notebook.started.push(request.toString());
  const keys = request.toString().split(',');
  const metadata = keys.map((key) => context.metadata(key) ?? null);
  const seen = { leftMs: context.deadlineAtMs - performance.now(), metadata, isOver: context.isOver() };
  return Buffer.from(JSON.stringify(seen));
}

/**
 * Copies two values from the metadata of the request. The text value is sent in the headers and trailers of the
 * response, and the binary value in the trailers.
 */
function adorn(request: Buffer, context: CallContext): Buffer {
  const text = context.metadata('x-echo') ?? '';
  const bytes = context.binaryMetadata('x-echo-bin') ?? Buffer.alloc(0);
  context.answerWith({
    headers: [['x-head', text]],
    trailers: [
      ['x-trail', text],
      ['x-trail-bin', bytes],
    ],
  });
  if (request.toString() === 'fail') {
    throw new StatusError(Status.ABORTED, 'as asked');
  }
  return request;
}

function hold(notebook: Notebook, request: Buffer, context: CallContext): Promise<Buffer> {
  return new Promise((resolve) => {
    const call: HeldCall = { context, overCount: 0, release: resolve };
    context.onOver(() => {
      call.overCount += 1;
    });
    notebook.held.set(request.toString(), call);
  });
}

/** Sends as many messages as the request (`<name>:<count>`) specifies, and waits whenever `send` returns false. */
async function flood(
  notebook: Notebook,
  request: Buffer,
  context: CallContext,
  responses: ResponseStream<Buffer>,
): Promise<void> {
  const [name = '', count = '0'] = request.toString().split(':');
  const record: FloodRecord = { sent: 0, refusals: 0, hasEnded: false };
  notebook.floods.set(name, record);
  while (record.sent < Number(count) && !context.isOver()) {
    const message = Buffer.alloc(FLOOD_MESSAGE_BYTES);
    message.writeUInt32BE(record.sent);
    record.sent += 1;
    if (!responses.send(message)) {
      record.refusals += 1;
      await responses.writable();
    }
  }
  record.hasEnded = true;
}

/** Returns each request unchanged. `stop` ends the stream before the caller does, and `fail` throws an Error. */
async function converse(
  requests: AsyncIterable<Buffer>,
  _context: CallContext,
  responses: ResponseStream<Buffer>,
): Promise<void> {
  for await (const request of requests) {
    const text = request.toString();
    if (text === 'stop') {
      return;
    }
    if (text === 'fail') {
      throw new Error(SECRET_TEXT);
    }
    if (!responses.send(request)) {
      await responses.writable();
    }
  }
}
