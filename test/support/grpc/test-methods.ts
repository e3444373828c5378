/**
 * A method table for the tests of transports: raw bytes in and out, one method per behaviour, and a notebook of what its
 * handlers saw. No message type: a transport does not know any either.
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

/** A call that waits in its handler until the test lets it go. */
interface HeldCall {
  readonly context: CallContext;
  /** How often `onOver` was told. */
  overCount: number;
  release(answer: Buffer): void;
}

interface FloodRecord {
  sent: number;
  refusals: number;
  hasEnded: boolean;
}

/** What the handlers saw, by the text of the request. */
export interface Notebook {
  readonly started: string[];
  readonly held: Map<string, HeldCall>;
  readonly floods: Map<string, FloodRecord>;
}

export const FLOOD_MESSAGE_BYTES = 16 * 1024;
/** A message that `decode` refuses starts with this byte. */
export const GARBAGE_BYTE = 0xff;
export const SECRET_TEXT = 'the-secret-of-a-handler';

/** What `Fail` and `FailLater` are asked to throw, as JSON. */
interface WantedFailure {
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
      throw wantedFailure(request);
    }),
    unary('FailLater', async (request) => {
      await new Promise((resolve) => setImmediate(resolve));
      throw wantedFailure(request);
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
      throw wantedFailure(request);
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

/** With the interceptor that guards calls, as every method of the program has it. */
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
    throw new Error(`${SECRET_TEXT}: no message`);
  }
  return Buffer.from(bytes);
}

function refuseAnswer(): Buffer {
  throw new RangeError(SECRET_TEXT);
}

function wantedFailure(request: Buffer): StatusError {
  const wanted = JSON.parse(request.toString()) as WantedFailure;
  const options = wanted.retryPushbackMs === undefined ? undefined : { retryPushbackMs: wanted.retryPushbackMs };
  return new StatusError(wanted.code as StatusCode, wanted.message, options);
}

/** Answers what the context says: the time left, and the values of the metadata keys that the request names. */
function inspect(notebook: Notebook, request: Buffer, context: CallContext): Buffer {
  notebook.started.push(request.toString());
  const keys = request.toString().split(',');
  const metadata = keys.map((key) => context.metadata(key) ?? null);
  const seen = { leftMs: context.deadlineAtMs - performance.now(), metadata, isOver: context.isOver() };
  return Buffer.from(JSON.stringify(seen));
}

/** Echoes one text and one binary value as headers and trailers of the answer. */
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

/** `<name>:<count>`: as many messages as it says, each with its number in front, waiting whenever `send` says so. */
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

/** Answers each request as it is; `stop` ends the stream though the caller has not, `fail` ends it with a plain Error. */
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
