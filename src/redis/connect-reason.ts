/**
 * Why a server cannot be used, in words that may be logged. Pure.
 *
 * What the server answered passes refusal-text.ts, the errors of ours say it in their text, and every other error is named by its code, with a
 * hint where the code alone does not tell what to do. No other text of an error is kept: it may hold anything.
 */
import { ConnectionTimeoutError, ErrorReply, SocketClosedUnexpectedlyError } from '@redis/client';
import { systemCodeOf } from '../lib/system-code.ts';
import { refusalText } from './refusal-text.ts';
import { UnusableServerError } from './refused-server.ts';
import { ServerReply } from './server-reply.ts';

const CLOSED = 'the server closed the connection before it answered';
const ASKS_FOR_TLS = 'does the port serve TLS?';
const ASKS_FOR_REDISS = 'does the port serve TLS (rediss://)?';
/** The server's first bytes were no TLS: OpenSSL's names. */
const NO_TLS = /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|UNSUPPORTED_PROTOCOL)$/;
/** The first byte of a TLS alert, read as a type of the Redis protocol. */
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
    return isTls ? CLOSED : `${CLOSED}; ${ASKS_FOR_REDISS}`;
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

/** An error reply, as node-redis or our own connection reports it. */
export function isServerAnswer(error: unknown): error is Error {
  return error instanceof ErrorReply || error instanceof ServerReply;
}

function hintOf(code: string, isTls: boolean): string {
  if (isTls && NO_TLS.test(code)) {
    return `: the server did not answer in TLS; ${ASKS_FOR_TLS}`;
  }
  if (code !== 'ECONNRESET') {
    return '';
  }
  // A TLS server takes our first command for a broken handshake.
  return isTls ? `: ${CLOSED}` : `: ${CLOSED}; ${ASKS_FOR_REDISS}`;
}
