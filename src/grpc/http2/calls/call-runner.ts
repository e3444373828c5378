/**
 * Runs the handler of a call and turns its outcome into an answer. What is answered at once is written at once: no promise,
 * closure or timer is made for it.
 */
import { isPromise, type MaybePromise } from '../../../lib/maybe-promise.ts';
import { describeCause, errorStatus } from '../../error-status.ts';
import type { AnyMethod, BidiStreamMethod, ServerStreamMethod, UnaryMethod } from '../../method.ts';
import { decodeRequest, type RequestMessage } from '../../transport/request-message.ts';
import type { TransportLog } from '../../transport/transport.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Http2Stream } from '../streams/stream.ts';
import { StreamingCall, type StreamingHost } from './streaming-call.ts';

/** What it needs of a connection. */
export interface CallHost extends StreamingHost {
  readonly log: TransportLog;
  readonly limits: Http2Limits;
  /** The handler has begun and not answered. */
  running(stream: Http2Stream): void;
  settled(stream: Http2Stream): void;
}

/** A call with one request message. */
export function startWithMessage(host: CallHost, stream: Http2Stream, message: RequestMessage): void {
  const method = stream.head.method as AnyMethod;
  if (method.kind === 'unary') {
    startUnary(host, stream, method, message);
    return;
  }
  startStreaming(host, stream, method, async (call) => {
    const request = requestOf(host, stream, method, message);
    const { handler } = method as ServerStreamMethod<unknown, unknown>;
    await handler(isPromise(request) ? await request : request, stream, call);
  });
}

/** A call whose request messages come while its handler runs. */
export function startBidi(host: CallHost, stream: Http2Stream): void {
  const method = stream.head.method as BidiStreamMethod<unknown, unknown>;
  startStreaming(host, stream, method, (call) => method.handler(call.requests(), stream, call));
}

/** Ends a call with the status of an error; an unexpected one is logged. */
export function answerError(host: CallHost, stream: Http2Stream, error: unknown): void {
  const status = errorStatus(error);
  if (status.logged) {
    const fields = { method: stream.head.method?.path, ...describeCause(error) };
    host.log.error(fields, 'Cannot answer a call: unexpected error');
  }
  host.sender.error(stream, status);
}

/** The bytes of a message that is decompressed later are buffered until then. */
function requestOf(
  host: CallHost,
  stream: Http2Stream,
  method: AnyMethod,
  message: RequestMessage,
): MaybePromise<unknown> {
  const request = decodeRequest(method, message, stream);
  return isPromise(request) ? holdUntil(request, host, stream, message.length) : request;
}

async function holdUntil(
  request: Promise<unknown>,
  host: CallHost,
  stream: Http2Stream,
  bytes: number,
): Promise<unknown> {
  request.catch(() => {});
  host.receiveWindow.hold(stream, bytes);
  try {
    return await request;
  } finally {
    host.receiveWindow.release(stream, Math.min(stream.heldBytes, bytes));
  }
}

function startUnary(
  host: CallHost,
  stream: Http2Stream,
  method: UnaryMethod<unknown, unknown>,
  message: RequestMessage,
): void {
  let result: unknown;
  try {
    const request = requestOf(host, stream, method, message);
    result = isPromise(request)
      ? request.then((later) => method.handler(later, stream))
      : method.handler(request, stream);
  } catch (error) {
    answerError(host, stream, error);
    return;
  }
  if (!isPromise(result)) {
    answer(host, stream, method, result);
    return;
  }
  host.running(stream);
  result.then(
    (response) => {
      host.settled(stream);
      if (!stream.isOver()) {
        answer(host, stream, method, response);
      }
    },
    (error: unknown) => {
      host.settled(stream);
      if (!stream.isOver()) {
        answerError(host, stream, error);
      }
    },
  );
}

function answer(host: CallHost, stream: Http2Stream, method: UnaryMethod<unknown, unknown>, response: unknown): void {
  let bytes: Buffer;
  try {
    bytes = method.encode(response);
  } catch (error) {
    answerError(host, stream, error);
    return;
  }
  host.sender.answer(stream, bytes);
}

function startStreaming(
  host: CallHost,
  stream: Http2Stream,
  method: AnyMethod,
  start: (call: StreamingCall) => Promise<void>,
): void {
  const call = new StreamingCall({ stream, method, host, maxQueuedBytes: host.limits.maxBufferedAnswerBytesPerStream });
  stream.streaming = call;
  host.running(stream);
  let done: Promise<void>;
  try {
    done = start(call);
  } catch (error) {
    done = Promise.reject(error);
  }
  done.then(
    () => {
      host.settled(stream);
      if (!stream.isOver()) {
        host.sender.ok(stream);
      }
    },
    (error: unknown) => {
      host.settled(stream);
      if (!stream.isOver()) {
        answerError(host, stream, error);
      }
    },
  );
}
