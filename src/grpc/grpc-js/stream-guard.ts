/**
 * Stands between HTTP/2 and @grpc/grpc-js 1.14 and puts right what the library gets wrong or leaves out.
 *
 *   1. It multiplies `grpc-timeout` in 32 bits: a deadline of 25 days or more wraps and ends the call at once. Such are
 *      cut to what a timer holds. A malformed one it reads as another, or answers with an error while the handler runs
 *      all the same; such calls are refused here.
 *   2. It echoes an unknown path into a header unencoded. Unknown methods are answered here.
 *   3. It has no limit for request metadata. Beyond it a call is answered RESOURCE_EXHAUSTED here (HTTP/2 itself resets
 *      a stream beyond 64 KiB).
 *   4. It serves requests that are not gRPC. They are refused here, by HTTP, as by the other transport.
 *
 * This wraps one private member, `_streamHandler`. The version is pinned, starting fails when the member is gone, and the
 * transport's contract suite has a test for each of the four.
 */
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { MAX_TIMER_MS, parseGrpcTimeout } from '../deadline.ts';
import type { StatusError } from '../status.ts';
import {
  HTTP_TEXTS,
  type HttpRefusal,
  httpRefusal,
  malformedTimeout,
  metadataTooLarge,
  unknownMethod,
} from '../transport/refusals.ts';
import { ACCEPTED_ENCODINGS } from '../transport/request-message.ts';
import type { GrpcJsSessions } from './sessions.ts';

const HEADER_OVERHEAD_BYTES = 32;
/** Node's own bound on header fields (maxHeaderListPairs); beyond it its HTTP/2 resets the stream. */
const MAX_NODE_FIELDS = 128;
const LONGEST_TIMEOUT = `${Math.floor(MAX_TIMER_MS / 1_000)}S`;

type StreamHandler = (interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export function guardStreams(
  server: Server,
  options: { isKnown: (path: string) => boolean; maxMetadataBytes: number; sessions: GrpcJsSessions },
): void {
  const owner = server as unknown as { _streamHandler?: StreamHandler };
  const handleStream = owner._streamHandler;
  if (typeof handleStream !== 'function') {
    throw new Error('cannot serve gRPC: this version of @grpc/grpc-js has no _streamHandler; install version 1.14');
  }

  owner._streamHandler = (interceptors, stream, headers) => {
    options.sessions.remember(stream.session as ServerHttp2Session | undefined);
    const refusal = httpRefusal(String(headers[':method']), headers['content-type'] ?? '');
    if (refusal !== undefined) {
      refuseByHttp(stream, refusal, headers[':method'] === 'HEAD');
      return;
    }
    const path = String(headers[':path']);
    if (metadataBytes(headers) > options.maxMetadataBytes) {
      refuse(stream, metadataTooLarge({ ...options, maxMetadataFields: MAX_NODE_FIELDS }));
      return;
    }
    if (!options.isKnown(path)) {
      refuse(stream, unknownMethod(path));
      return;
    }
    if (!boundTimeout(headers)) {
      refuse(stream, malformedTimeout());
      return;
    }
    handleStream.call(server, interceptors, stream, headers);
  };
}

function metadataBytes(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const name in headers) {
    const value = headers[name];
    const values = Array.isArray(value) ? value : [value ?? ''];
    for (const one of values) {
      bytes += name.length + one.length + HEADER_OVERHEAD_BYTES;
    }
  }
  return bytes;
}

/** False when the header is malformed. */
function boundTimeout(headers: IncomingHttpHeaders): boolean {
  const header = headers['grpc-timeout'];
  if (header === undefined) {
    return true;
  }
  const timeoutMs = parseGrpcTimeout(String(header));
  if (timeoutMs === undefined) {
    return false;
  }
  if (timeoutMs > MAX_TIMER_MS) {
    headers['grpc-timeout'] = LONGEST_TIMEOUT;
  }
  return true;
}

/** A response of trailers only. */
function refuse(stream: ServerHttp2Stream, error: StatusError): void {
  if (!isReadyForAnswer(stream)) {
    return;
  }
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-accept-encoding': ACCEPTED_ENCODINGS,
      'grpc-status': error.code,
      'grpc-message': encodeURI(error.message.toWellFormed()),
    },
    { endStream: true },
  );
}

function refuseByHttp(stream: ServerHttp2Stream, status: HttpRefusal, isHeadRequest: boolean): void {
  if (!isReadyForAnswer(stream)) {
    return;
  }
  const body = Buffer.from(HTTP_TEXTS[status]);
  stream.respond({ ':status': Number(status), 'content-type': 'text/plain', 'content-length': body.length });
  stream.end(isHeadRequest ? undefined : body);
}

/** Drops what the caller still sends: unread DATA would shrink the window of the connection. */
function isReadyForAnswer(stream: ServerHttp2Stream): boolean {
  stream.on('error', () => {});
  if (stream.destroyed || stream.closed) {
    return false;
  }
  stream.resume();
  return true;
}
