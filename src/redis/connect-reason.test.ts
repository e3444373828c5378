/**
 * Tests the reason that is logged for each error of node-redis, Node and src/redis.
 */
import { ConnectionTimeoutError, SimpleError, SocketClosedUnexpectedlyError } from '@redis/client';
import { connectReason } from './connect-reason.ts';
import { ForeignServerError, ReplicaError } from './refused-server.ts';
import { ServerReply } from './server-reply.ts';

function withCode(code: string): Error {
  return Object.assign(new Error('canary'), { code });
}

const CLOSED = 'the server closed the connection before it answered';

test.each([
  ['an error reply', new SimpleError('ERR max number of clients reached'), 'ERR max number of clients reached'],
  ['an error reply over our connection', new ServerReply(new SimpleError('NOAUTH no')), 'NOAUTH no'],
  ['a replica', new ReplicaError(), 'the server is a replica'],
  ['a server of another deployment', new ForeignServerError(), 'the server does not belong to the known deployment'],
  ['a port without a server', withCode('ECONNREFUSED'), 'ECONNREFUSED'],
  ['an unknown host name', withCode('ENOTFOUND'), 'ENOTFOUND'],
  ['a reset', withCode('ECONNRESET'), `ECONNRESET: ${CLOSED}; use rediss:// if the port serves TLS`],
  ['a close', new SocketClosedUnexpectedlyError(), `${CLOSED}; use rediss:// if the port serves TLS`],
  ['no TCP', new ConnectionTimeoutError(), 'the TCP connection was not accepted in time'],
  ['a TLS alert', new Error('Unknown RESP type 21 "\u0015"'), 'the server answered in TLS; use rediss://'],
  ['HTTP', new Error('Unknown RESP type 72 "H"'), 'the server does not answer in the Redis protocol'],
  ['any other error', new TypeError('canary'), 'TypeError'],
  ['a value that is not an Error', 'canary', 'unknown'],
])('redis://, %s', (_what, error, reason) => {
  expect(connectReason(error, false)).toBe(reason);
});

test.each([
  ['a certificate of another name', withCode('ERR_TLS_CERT_ALTNAME_INVALID'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['a self-signed certificate', withCode('SELF_SIGNED_CERT_IN_CHAIN'), 'SELF_SIGNED_CERT_IN_CHAIN'],
  ['a reset', withCode('ECONNRESET'), `ECONNRESET: ${CLOSED}`],
  ['a close', new SocketClosedUnexpectedlyError(), CLOSED],
  [
    'an answer without TLS',
    withCode('ERR_SSL_WRONG_VERSION_NUMBER'),
    'ERR_SSL_WRONG_VERSION_NUMBER: the server did not answer in TLS; check that the port serves TLS',
  ],
])('rediss://, %s', (_what, error, reason) => {
  expect(connectReason(error, true)).toBe(reason);
});
