/**
 * Registers the methods of the method table as handlers of @grpc/grpc-js, which receive and return raw bytes.
 *
 * Invariants:
 *   1. A unary result that a handler returns synchronously is passed to the library in the same turn of the event loop.
 *   2. Each call gets one final status. A result that a handler returns after the end of the call is dropped.
 */
import type {
  Server as GrpcServer,
  Metadata,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import { isPromise } from '../../lib/maybe-promise.ts';
import { NO_DEADLINE_MS } from '../deadline.ts';
import { type ErrorStatus, errorStatus } from '../error-status.ts';
import type { AnyMethod, BidiStreamMethod, CallContext, ServerStreamMethod, UnaryMethod } from '../method.ts';
import { stopping } from '../transport/refusals.ts';
import { decodeRequest, type RequestMessage } from '../transport/request-message.ts';
import type { TransportLog } from '../transport/transport.ts';
import { GrpcJsContext, type StreamCall, StreamResponses } from './call.ts';

/** Dependencies that the calls of a transport share. */
export interface CallRuntime {
  readonly clock: Clock;
  readonly defaultDeadlineMs: number;
  readonly log: TransportLog;
  /** Open streaming calls. */
  readonly streams: Set<{ endForDrain(): void }>;
}

type Unary = UnaryMethod<unknown, unknown>;
type StreamMethod = ServerStreamMethod<unknown, unknown> | BidiStreamMethod<unknown, unknown>;

export function registerMethod(server: GrpcServer, method: AnyMethod, runtime: CallRuntime): void {
  switch (method.kind) {
    case 'unary':
      server.register(method.path, unaryHandler(method, runtime), identity, identity, 'unary');
      return;
    case 'server_stream':
      server.register(method.path, serverStreamHandler(method, runtime), identity, identity, 'serverStream');
      return;
    case 'bidi_stream':
      server.register(method.path, bidiStreamHandler(method, runtime), identity, identity, 'bidi');
  }
}

function identity<Message>(message: Message): Message {
  return message;
}

function unaryHandler(method: Unary, runtime: CallRuntime) {
  return (call: ServerUnaryCall<RequestMessage, Buffer>, callback: sendUnaryData<Buffer>): void => {
    const context = new GrpcJsContext(call, deadlineAtMs(call, runtime, runtime.defaultDeadlineMs));

    function answer(response: unknown): void {
      let bytes: Buffer;
      try {
        bytes = method.encode(response);
      } catch (error) {
        fail(error);
        return;
      }
      context.sendHeaders();
      callback(null, bytes, context.trailers());
      context.end();
    }

    function fail(error: unknown): void {
      callback(failure(error, method, runtime, context));
      context.end();
    }

    let result: unknown;
    try {
      const request = decodeRequest(method, call.request, context);
      result = isPromise(request)
        ? request.then((message) => method.handler(message, context))
        : method.handler(request, context);
    } catch (error) {
      fail(error);
      return;
    }
    if (isPromise(result)) {
      result.then(answer, fail);
    } else {
      answer(result);
    }
  };
}

function serverStreamHandler(method: ServerStreamMethod<unknown, unknown>, runtime: CallRuntime) {
  return (call: ServerWritableStream<RequestMessage, Buffer>): void => {
    runStream(method, call, runtime, async (context, responses) => {
      const request = decodeRequest(method, call.request, context);
      await method.handler(isPromise(request) ? await request : request, context, responses);
    });
  };
}

function bidiStreamHandler(method: BidiStreamMethod<unknown, unknown>, runtime: CallRuntime) {
  return (call: ServerDuplexStream<RequestMessage, Buffer>): void => {
    runStream(method, call, runtime, (context, responses) =>
      method.handler(readRequests(method, call, context), context, responses),
    );
  };
}

function runStream(
  method: StreamMethod,
  call: StreamCall,
  runtime: CallRuntime,
  start: (context: CallContext, responses: StreamResponses) => Promise<void>,
): void {
  const context = new GrpcJsContext(call, deadlineAtMs(call, runtime, NO_DEADLINE_MS));
  const responses = new StreamResponses(method, call, context);
  const open = { endForDrain: (): void => fail(stopping()) };

  function end(): void {
    if (runtime.streams.delete(open)) {
      context.sendHeaders();
      call.end(context.trailers());
      context.end();
    }
  }

  function fail(error: unknown): void {
    if (!runtime.streams.delete(open)) {
      return;
    }
    if (!call.destroyed) {
      call.emit('error', failure(error, method, runtime, context));
    }
    context.end();
  }

  runtime.streams.add(open);
  context.onOver(() => runtime.streams.delete(open));
  try {
    start(context, responses).then(end, fail);
  } catch (error) {
    fail(error);
  }
}

/** Reads the requests of a bidi stream. The iteration ends without an error when the call ends. */
async function* readRequests(
  method: StreamMethod,
  call: ServerDuplexStream<RequestMessage, Buffer>,
  context: CallContext,
): AsyncGenerator<unknown, void> {
  try {
    // Returning from the iterator must not destroy the call, because its responses use the same stream.
    for await (const message of call.iterator({ destroyOnReturn: false })) {
      yield await decodeRequest(method, message as RequestMessage, context);
    }
  } catch (error) {
    if (!context.isOver()) {
      throw error;
    }
  }
}

/** Converts the deadline of the library, which is in Unix time, to monotonic time. */
function deadlineAtMs(call: { getDeadline(): Date | number }, runtime: CallRuntime, defaultMs: number): number {
  const unixMs = Number(call.getDeadline());
  const leftMs = unixMs === Number.POSITIVE_INFINITY ? defaultMs : unixMs - Date.now();
  return Math.min(NO_DEADLINE_MS, runtime.clock.monotonicMs() + leftMs);
}

/** Converts an error to the object that the library sends as the status. */
function failure(error: unknown, method: AnyMethod, runtime: CallRuntime, context: GrpcJsContext) {
  const status = errorStatus(error, runtime.log, method.path);
  return { code: status.code, details: status.message, metadata: trailers(status, context) };
}

function trailers(status: ErrorStatus, context: GrpcJsContext): Metadata {
  const metadata = context.trailers();
  if (status.retryPushbackMs !== undefined) {
    metadata.set('grpc-retry-pushback-ms', String(Math.round(status.retryPushbackMs)));
  }
  return metadata;
}
