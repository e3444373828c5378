/**
 * Stands between HTTP/2 and @grpc/grpc-js 1.14 and puts right what the library gets wrong or leaves out.
 *
 *   1. It multiplies `grpc-timeout` in 32 bits: a deadline of 25 days or more wraps and ends the call at once. Such are
 *      cut to what a timer holds. A malformed one it reads as another, or answers with an error while the handler runs
 *      all the same; such calls are refused here.
 *   2. It echoes an unknown path into a header unencoded. Unknown methods are answered here.
 *   3. It has no limit for request metadata. Beyond it a call is answered RESOURCE_EXHAUSTED here (HTTP/2 itself resets
 *      a stream beyond 64 KiB).
 *   4. It unpacks compressed messages, each as large as the limit: a small request may cost much. Compression is refused
 *      here, as by the other transport.
 *   5. It knows GOAWAY only together with closing. `announceEnd` sends the one that says "open no more" and takes nothing
 *      away, so that calls on their way are still served.
 *
 * This wraps one private member, `_streamHandler`. The version is pinned, starting fails when the member is gone, and the
 * transport's contract suite has a test for each of the five.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { MAX_TIMER_MS, parseGrpcTimeout } from '../deadline.ts';
import { Status, type StatusError } from '../status.ts';
import { compressionRefused, malformedTimeout, metadataTooLarge, unknownMethod } from '../transport/refusals.ts';

const HEADER_OVERHEAD_BYTES = 32;
/** Node's own bound on header fields (maxHeaderListPairs); beyond it its HTTP/2 resets the stream. */
const MAX_NODE_FIELDS = 128;
const MAX_LAST_STREAM_ID = 2 ** 31 - 1;
const LONGEST_TIMEOUT = `${Math.floor(MAX_TIMER_MS / 1_000)}S`;

type StreamHandler = (interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface StreamGuard {
  /** Tells every connection to open no more calls; those that come all the same are served. */
  announceEnd(): void;
}

export function guardStreams(
  server: Server,
  options: { isKnown: (path: string) => boolean; maxMetadataBytes: number },
): StreamGuard {
  const owner = server as unknown as { _streamHandler?: StreamHandler };
  const handleStream = owner._streamHandler;
  if (typeof handleStream !== 'function') {
    throw new Error('Cannot serve gRPC: this version of @grpc/grpc-js has no _streamHandler, wanted 1.14');
  }
  const sessions = new Set<ServerHttp2Session>();

  owner._streamHandler = (interceptors, stream, headers) => {
    remember(sessions, stream.session as ServerHttp2Session | undefined);
    if (!isGrpc(headers)) {
      handleStream.call(server, interceptors, stream, headers);
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
    const encoding = String(headers['grpc-encoding'] ?? 'identity');
    if (encoding !== 'identity') {
      refuse(stream, compressionRefused(encoding));
      return;
    }
    handleStream.call(server, interceptors, stream, headers);
  };

  return {
    announceEnd(): void {
      for (const session of sessions) {
        if (!session.closed && !session.destroyed) {
          session.goaway(constants.NGHTTP2_NO_ERROR, MAX_LAST_STREAM_ID);
        }
      }
    },
  };
}

function remember(sessions: Set<ServerHttp2Session>, session: ServerHttp2Session | undefined): void {
  if (session === undefined || sessions.has(session)) {
    return;
  }
  sessions.add(session);
  session.once('close', () => sessions.delete(session));
}

function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith('application/grpc') === true;
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
  stream.on('error', () => {});
  if (stream.destroyed || stream.closed) {
    return;
  }
  // What the caller still sends is read and dropped, or the connection's window would shrink.
  stream.resume();
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-status': error.code,
      'grpc-message': encodeURI(error.message.toWellFormed()),
      ...(error.code === Status.UNIMPLEMENTED ? { 'grpc-accept-encoding': 'identity' } : {}),
    },
    { endStream: true },
  );
}
