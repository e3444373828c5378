/**
 * Tests that the first bytes of a connection are recognized as HTTP/2, HTTP/1.x or neither, however they are split into
 * chunks.
 */
import { PREFACE, settings } from '../../../../test/support/http2/frames.ts';
import { ClientPreface, http1Answer, type PrefaceVerdict } from './client-preface.ts';

interface Reading {
  readonly verdict: PrefaceVerdict;
  /** Number of bytes that were read until the protocol was recognized. */
  readonly bytes: number;
}

function readByteByByte(text: string): Reading {
  const preface = new ClientPreface();
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += 1) {
    const verdict = preface.read(bytes.subarray(at, at + 1));
    if (verdict !== 'incomplete') {
      return { verdict, bytes: at + 1 };
    }
  }
  return { verdict: 'incomplete', bytes: bytes.length };
}

test.each(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])(
  'recognizes an HTTP/1.x request by %s and a space, in one chunk and byte by byte',
  (method) => {
    const text = `${method} / HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    expect(new ClientPreface().read(Buffer.from(text))).toBe('http1');
    expect(readByteByByte(text)).toEqual({ verdict: 'http1', bytes: method.length + 1 });
  },
);

test.each([
  ['a TLS ClientHello', '\x16\x03\x01\x02', 1],
  ['the PROXY protocol', 'PROXY TCP4 127.0.0.1', 3],
  ['a method in lower case', 'get / HTTP/1.1', 1],
  ['an unknown method', 'PROPFIND / HTTP/1.1', 3],
  ['a method without a space', 'GET/', 4],
  ['an invalid preface', 'PRI * HTTP/2.0\r\n\r\nXM', 19],
])('rejects %s at its first invalid byte', (_name, text, bytes) => {
  expect(new ClientPreface().read(Buffer.from(text, 'latin1'))).toBe('invalid');
  expect(readByteByByte(text)).toEqual({ verdict: 'invalid', bytes });
});

test('finds the start of the first frame wherever the HTTP/2 preface is split', () => {
  const bytes = Buffer.concat([PREFACE, settings()]);
  for (let at = 0; at < PREFACE.length; at += 1) {
    const preface = new ClientPreface();
    expect(preface.read(bytes.subarray(0, at))).toBe('incomplete');
    expect(preface.read(bytes.subarray(at))).toBe('http2');
    expect(at + preface.framesStart).toBe(PREFACE.length);
  }
});

test('the HTTP/1.x response has all headers, and names gRPC and the admin address', () => {
  const [head = '', body = ''] = http1Answer('http://127.0.0.1:9471', false).split('\r\n\r\n');
  expect(head.split('\r\n')).toEqual([
    'HTTP/1.1 400 Bad Request',
    'Connection: close',
    'Content-Type: text/plain',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]);
  expect(body).toContain('gRPC over HTTP/2');
  expect(body).toContain('http://127.0.0.1:9471');
  expect(http1Answer(undefined, false)).not.toContain('Health');
});
