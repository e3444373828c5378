/**
 * Runs the handler of a call and turns its outcome into an answer. What is answered at once is written at once: no promise,
 * closure or timer is made for it.
 */
import { isPromise } from '../../../lib/maybe-promise.ts';
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
  startStreaming(host, stream, method, (call) =>
    (method as ServerStreamMethod<unknown, unknown>).handler(decodeRequest(method, message), stream, call),
  );
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

function startUnary(
  host: CallHost,
  stream: Http2Stream,
  method: UnaryMethod<unknown, unknown>,
  message: RequestMessage,
): void {
  let result: unknown;
  try {
    result = method.handler(decodeRequest(method, message), stream);
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
