/**
 * Corrects how @grpc/grpc-js 1.14 handles new streams.
 *
 *   1. The library stores `grpc-timeout` in 32 bits, so a timeout of 25 days or more overflows, and the library ends
 *      the call at once. This module shortens such a timeout to the maximum delay of a timer. The library misreads some
 *      malformed timeouts. The library rejects other malformed timeouts, but starts the handler anyway. This module
 *      rejects calls with malformed timeouts.
 *   2. The library copies an unknown path into a response header without encoding it. This module responds to unknown
 *      methods itself.
 *   3. The library does not limit request metadata. If the metadata of a call exceeds the limit, this module ends the
 *      call with RESOURCE_EXHAUSTED. Node's HTTP/2 implementation resets a stream with more than 64 KiB of headers.
 *   4. The library serves HTTP/2 requests that are not gRPC calls. This module rejects these requests with an HTTP
 *      status, as the other transport does.
 *
 * This module wraps one private member of the library, `_streamHandler`. The version of the library is therefore
 * pinned, and the transport fails to start if the member is missing. The contract suite of the transports tests each of
 * the four corrections.
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
/** Node's default limit on header fields (maxHeaderListPairs). Node resets a stream that exceeds this limit. */
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

/** Shortens a timeout that is too long for a timer. Returns false if the header is malformed. */
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

/** Sends an error without a message (Trailers-Only). */
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

/**
 * Discards the rest of the request, because unread DATA would permanently reduce the connection's window. Returns false
 * if the stream has already ended.
 */
function isReadyForAnswer(stream: ServerHttp2Stream): boolean {
  stream.on('error', () => {});
  if (stream.destroyed || stream.closed) {
    return false;
  }
  stream.resume();
  return true;
}
