/**
 * Describes why a server cannot be used, in words that are safe to log. Pure.
 *
 * refusal-text.ts makes the messages of error replies safe. The messages of the errors that src/redis creates are
 * already safe. For any other error, the reason is the error code (with a hint if the code alone does not suggest a
 * remedy), a fixed text, or the class name. The message of such an error is not logged, because the message may contain
 * secrets.
 */
import { ConnectionTimeoutError, ErrorReply, SocketClosedUnexpectedlyError } from '@redis/client';
import { systemCodeOf } from '../lib/system-code.ts';
import { refusalText } from './refusal-text.ts';
import { UnusableServerError } from './refused-server.ts';
import { ServerReply } from './server-reply.ts';

const CLOSED = 'the server closed the connection before it answered';
const TLS_HINT = 'check that the port serves TLS';
const REDISS_HINT = 'use rediss:// if the port serves TLS';
/** OpenSSL error codes for a server whose first bytes were not TLS. */
const NO_TLS = /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|UNSUPPORTED_PROTOCOL)$/;
/** Message of the error that node-redis reports if it parses the first byte of a TLS alert as a RESP type. */
const TLS_ALERT = /^Unknown RESP type 21\b/;

export function connectReason(error: unknown, isTls: boolean): string {
  if (isServerAnswer(error)) {
    return refusalText(error.message);
  }
  if (error instanceof UnusableServerError) {
    return error.message;
  }
  const code = systemCodeOf(error);
  if (code !== undefined) {
    return `${code}${hintOf(code, isTls)}`;
  }
  if (error instanceof SocketClosedUnexpectedlyError) {
    return isTls ? CLOSED : `${CLOSED}; ${REDISS_HINT}`;
  }
  if (error instanceof ConnectionTimeoutError) {
    return 'the TCP connection was not accepted in time';
  }
  const text = error instanceof Error ? error.message : '';
  if (TLS_ALERT.test(text)) {
    return 'the server answered in TLS; use rediss://';
  }
  if (text.startsWith('Unknown RESP type')) {
    return 'the server does not answer in the Redis protocol';
  }
  return error instanceof Error ? error.constructor.name : 'unknown';
}

/** Returns whether the error is a server's error reply, as reported by node-redis or by our connection. */
export function isServerAnswer(error: unknown): error is Error {
  return error instanceof ErrorReply || error instanceof ServerReply;
}

function hintOf(code: string, isTls: boolean): string {
  if (isTls && NO_TLS.test(code)) {
    return `: the server did not answer in TLS; ${TLS_HINT}`;
  }
  if (code !== 'ECONNRESET') {
    return '';
  }
  // A TLS server treats our first plain-text command as a broken handshake and closes the connection.
  return isTls ? `: ${CLOSED}` : `: ${CLOSED}; ${REDISS_HINT}`;
}
