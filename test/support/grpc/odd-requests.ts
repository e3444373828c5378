/**
 * Lists unusual and invalid requests as frames. All transports must send the same response to each of these requests.
 */
import { deflateSync, gzipSync } from 'node:zlib';
import { data, frame, headers, headersOnly, literal, message, priority, uint32 } from '../http2/frames.ts';
import {
  block,
  call,
  type FieldRow,
  flagged,
  HELLO,
  inPieces,
  last,
  MAX_FRAME_BYTES,
  padded,
  split,
} from './raw-call.ts';
import { ODD_STREAM } from './raw-outcome.ts';
import { GARBAGE_BYTE, methodPath } from './test-methods.ts';

export interface OddRequest {
  readonly name: string;
  /** HTTP/2 frames, each of which is sent separately. */
  readonly frames: readonly Buffer[];
}

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Base64 of 0xdeadbeef. */
const BINARY_VALUE = '3q2+7w';
const PRIORITY_UPDATE = 0x10;
const GREASE = 0x0b;

export const ODD_REQUESTS: readonly OddRequest[] = [
  ...authorities(),
  ...contentTypes(),
  ...methods(),
  ...paths(),
  ...timeouts(),
  ...metadata(),
  ...malformedHeaders(),
  ...encodings(),
  ...compressed(),
  ...framing(),
  ...streams(),
  ...failures(),
  ...frameSequences(),
];

function authorities(): OddRequest[] {
  const values = [
    'localhost',
    '%2Frun%2Fpannier%2Fpannier.sock',
    '/run/pannier/pannier.sock',
    '',
    'user@host',
    '[::1]:80',
  ];
  return [
    ...values.map((value) => ({
      name: `:authority ${quoted(value)}`,
      frames: call({ authority: value }),
    })),
    { name: 'no :authority', frames: call({ authority: undefined }) },
    { name: 'no :authority, but host', frames: call({ authority: undefined, extra: [['host', 'localhost']] }) },
  ];
}

function contentTypes(): OddRequest[] {
  const values = [
    'application/grpc+proto',
    'application/grpc+json',
    'application/grpc;charset=utf-8',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpcx',
    'APPLICATION/GRPC',
    'text/plain',
    '',
  ];
  return [
    ...values.map((value) => ({
      name: `content-type ${quoted(value)}`,
      frames: call({ path: methodPath('Inspect'), contentType: value }),
    })),
    { name: 'no content-type', frames: call({ path: methodPath('Inspect'), contentType: undefined }) },
    { name: 'content-type text/plain of an unknown method', frames: call({ path: '/x', contentType: 'text/plain' }) },
  ];
}

function methods(): OddRequest[] {
  return ['GET', 'PUT', 'OPTIONS', 'HEAD', 'DELETE', 'PATCH'].map((method) => ({
    name: `method ${method}`,
    frames: call({ path: methodPath('Inspect'), method }),
  }));
}

function paths(): OddRequest[] {
  const values = [
    methodPath('Nothing'),
    '/pannier.test.v1.UnknownService/Echo',
    '/',
    '/a%0a/"b"',
    `/${'x'.repeat(3_000)}`,
  ];
  return [
    ...values.map((path) => ({ name: `path ${quoted(path)}`, frames: call({ path }) })),
    { name: 'an empty path', frames: call({ path: '' }) },
    { name: ':scheme https', frames: call({ scheme: 'https' }) },
    { name: 'no te', frames: call({ te: undefined }) },
    { name: 'te gzip', frames: call({ te: 'gzip' }) },
  ];
}

function timeouts(): OddRequest[] {
  const values = [
    'Infinitym',
    '-1S',
    '1.5S',
    '123456789S',
    '',
    '5',
    'S',
    '0n',
    '0m',
    '1n',
    '99999999H',
    '90000S',
    '5S',
  ];
  return [
    ...values.map((value) => ({
      name: `grpc-timeout ${quoted(value)}`,
      frames: call({ path: methodPath('InspectInTime'), extra: [['grpc-timeout', value]] }),
    })),
    {
      name: 'grpc-timeout 100m and no message',
      frames: [headers(ODD_STREAM, block({ extra: [['grpc-timeout', '100m']] }))],
    },
    {
      name: 'grpc-timeout 100m of a handler that does not answer',
      frames: call({ path: methodPath('Hold'), extra: [['grpc-timeout', '100m']] }),
    },
  ];
}

function metadata(): OddRequest[] {
  const binary = [BINARY_VALUE, `${BINARY_VALUE}==`, `${BINARY_VALUE},AAAA`, '!not base64!', ''];
  return [
    ...binary.map((value) => ({
      name: `x-echo-bin ${quoted(value)}`,
      frames: call({ path: methodPath('Adorn'), extra: [['x-echo-bin', value]] }),
    })),
    ...[['a text'], ['first', 'second'], [''], ['a, b']].map((values) => ({
      name: `x-echo ${values.map(quoted).join(' and ')}`,
      frames: call({ path: methodPath('Adorn'), extra: values.map((value) => ['x-echo', value] as const) }),
    })),
    { name: 'a cookie', frames: call({ extra: [['cookie', 'a=b']] }) },
    { name: 'metadata outside of ASCII', frames: call({ extra: [['x-latin', 'caf\u00e9']] }) },
    { name: 'metadata of 12 KiB', frames: largeCall(12 * 1024) },
    { name: 'metadata of 17 KiB', frames: largeCall(17 * 1024) },
    { name: 'metadata of 100 KiB', frames: largeCall(100 * 1024) },
    { name: '100 fields of metadata', frames: call({ extra: manyFields(100) }) },
    { name: '200 fields of metadata', frames: call({ extra: manyFields(200) }) },
  ];
}

function malformedHeaders(): OddRequest[] {
  const rows: readonly (readonly [string, readonly FieldRow[]])[] = [
    ['an upper-case name', [['X-Upper', 'value']]],
    ['a value with a line feed', [['x-line', 'a\nb']]],
    ['a value that begins with a space', [['x-space', ' a']]],
    ['connection', [['connection', 'close']]],
    ['transfer-encoding', [['transfer-encoding', 'chunked']]],
    ['a second :path', [[':path', '/']]],
    ['an unknown pseudo-header', [[':odd', 'x']]],
    [':status in a request', [[':status', '200']]],
    ['content-length that is not a number', [['content-length', 'many']]],
    [
      'two different content-lengths',
      [
        ['content-length', '10'],
        ['content-length', '11'],
      ],
    ],
  ];
  return rows.map(([name, extra]) => ({ name, frames: call({ extra }) }));
}

function encodings(): OddRequest[] {
  const values = ['identity', 'gzip', 'deflate', 'zstd', 'identity;q=.5', 'IDENTITY', ''];
  return [0, 1].flatMap((flag) =>
    values.map((value) => ({
      name: `grpc-encoding ${quoted(value)}, flag ${flag}, bytes that are not compressed`,
      frames: call({ extra: [['grpc-encoding', value]], body: flagged(flag, Buffer.from('plain')) }),
    })),
  );
}

function compressed(): OddRequest[] {
  const rows: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ];
  return rows.flatMap(([encoding, compress]) => {
    const bodies: readonly (readonly [string, Buffer])[] = [
      ['a message', compress(Buffer.alloc(500, 'a'))],
      ['an empty message', compress(Buffer.alloc(0))],
      ['no bytes', Buffer.alloc(0)],
      ['a message of 4194304 bytes', compress(Buffer.alloc(MAX_MESSAGE_BYTES))],
      ['a message of 4194305 bytes', compress(Buffer.alloc(MAX_MESSAGE_BYTES + 1))],
      ['a message of 32 MiB', compress(Buffer.alloc(8 * MAX_MESSAGE_BYTES))],
      ['half a message', compress(Buffer.alloc(500, 'a')).subarray(0, 15)],
      ['a message followed by other bytes', Buffer.concat([compress(Buffer.from('a')), Buffer.from('behind')])],
      ['a malformed message', compress(Buffer.from([GARBAGE_BYTE]))],
    ];
    const extra: readonly FieldRow[] = [['grpc-encoding', encoding]];
    const first = flagged(1, compress(Buffer.from('first')));
    const bidi = { path: methodPath('Converse'), extra };
    return [
      ...bodies.map(([name, body]) => ({
        name: `${encoding}: ${name}`,
        frames: call({ extra, body: flagged(1, body) }),
      })),
      {
        name: `${encoding}: a stream with messages of both kinds`,
        frames: call({ ...bidi, body: Buffer.concat([first, HELLO, first]) }),
      },
      {
        name: `${encoding}: a stream whose second message is malformed`,
        frames: call({ ...bidi, body: Buffer.concat([first, flagged(1, Buffer.from('no archive'))]) }),
      },
      {
        name: `${encoding}: a server stream`,
        frames: call({ path: methodPath('InspectStream'), extra, body: flagged(1, compress(Buffer.from('x-a'))) }),
      },
    ];
  });
}

function framing(): OddRequest[] {
  const extraOf = (bytes: string): readonly FieldRow[] => [['content-length', bytes]];
  return [
    { name: 'flag 1 without grpc-encoding', frames: call({ body: flagged(1, gzipSync('packed')) }) },
    { name: 'flag 2', frames: call({ body: flagged(2, Buffer.from('x')) }) },
    { name: 'flag 255', frames: call({ body: flagged(255, Buffer.from('x')) }) },
    { name: 'an extra byte after the message', frames: call({ body: Buffer.concat([HELLO, Buffer.from([0])]) }) },
    { name: 'a message that is cut short', frames: call({ body: HELLO.subarray(0, 8) }) },
    { name: 'half a prefix', frames: call({ body: HELLO.subarray(0, 3) }) },
    { name: 'no message, HEADERS with END_STREAM', frames: [headersOnly(ODD_STREAM, block({}))] },
    { name: 'no message, empty DATA with END_STREAM', frames: call({ body: Buffer.alloc(0) }) },
    { name: 'an empty message', frames: call({ body: message(Buffer.alloc(0)) }) },
    { name: 'two messages', frames: call({ body: Buffer.concat([HELLO, HELLO]) }) },
    {
      name: 'two messages of a server stream',
      frames: call({ path: methodPath('InspectStream'), body: Buffer.concat([HELLO, HELLO]) }),
    },
    {
      name: 'no message of a server stream',
      frames: call({ path: methodPath('InspectStream'), body: Buffer.alloc(0) }),
    },
    {
      name: 'a message that announces 4194305 bytes',
      frames: call({ body: message(Buffer.alloc(0), MAX_MESSAGE_BYTES + 1) }),
    },
    { name: 'a message that announces 2^32 - 1 bytes', frames: call({ body: message(Buffer.alloc(0), 0xffff_ffff) }) },
    { name: 'a content-length that is right', frames: call({ extra: extraOf('10') }) },
    { name: 'a content-length that is too small', frames: call({ extra: extraOf('7') }) },
    { name: 'a content-length that is too large', frames: call({ extra: extraOf('11') }) },
    { name: 'a message byte by byte', frames: [headers(ODD_STREAM, block({})), ...inPieces(HELLO, 1)] },
    {
      name: 'an empty DATA frame before the message',
      frames: [headers(ODD_STREAM, block({})), data(ODD_STREAM, Buffer.alloc(0)), last(HELLO)],
    },
    { name: 'padded DATA', frames: [headers(ODD_STREAM, block({})), padded(HELLO)] },
    { name: 'a malformed message', frames: call({ body: message(Buffer.from([GARBAGE_BYTE])) }) },
  ];
}

function streams(): OddRequest[] {
  const converse = { path: methodPath('Converse') };
  const three = Buffer.concat([HELLO, message(Buffer.alloc(0)), HELLO]);
  const stop = message(Buffer.from('stop'));
  return [
    { name: 'a server stream', frames: call({ path: methodPath('InspectStream') }) },
    {
      name: 'a server stream that fails',
      frames: call({ path: methodPath('FailStream'), body: failure({ code: 9, message: 'as asked' }) }),
    },
    { name: 'a server stream that breaks', frames: call({ path: methodPath('BreakStream') }) },
    { name: 'a bidi stream of three messages', frames: call({ ...converse, body: three }) },
    { name: 'a bidi stream without a message', frames: [headersOnly(ODD_STREAM, block(converse))] },
    {
      name: 'a bidi stream whose last message is cut short',
      frames: call({ ...converse, body: Buffer.concat([HELLO, HELLO.subarray(0, 7)]) }),
    },
    { name: 'a bidi stream with flag 2', frames: call({ ...converse, body: flagged(2, Buffer.from('x')) }) },
    {
      name: 'a bidi stream with flag 1 and zstd',
      frames: call({ ...converse, extra: [['grpc-encoding', 'zstd']], body: flagged(1, Buffer.from('x')) }),
    },
    {
      name: 'a bidi stream that its handler breaks',
      frames: call({ ...converse, body: message(Buffer.from('fail')) }),
    },
    {
      name: 'a bidi stream that its handler ends before the caller does',
      frames: [headers(ODD_STREAM, block(converse)), data(ODD_STREAM, stop)],
    },
  ];
}

function failures(): OddRequest[] {
  const path = methodPath('Fail');
  return [
    { name: 'NOT_FOUND with a text', frames: call({ path, body: failure({ code: 5, message: 'no such thing' }) }) },
    { name: 'UNIMPLEMENTED of a handler', frames: call({ path, body: failure({ code: 12, message: 'not served' }) }) },
    {
      name: 'a text outside of ASCII',
      frames: call({ path, body: failure({ code: 9, message: '50 % of caf\u00e9 \u{1f600}\t"' }) }),
    },
    { name: 'a pushback', frames: call({ path, body: failure({ code: 14, message: 'later', retryPushbackMs: 100 }) }) },
    { name: 'an unexpected error', frames: call({ path: methodPath('Break') }) },
    { name: 'an answer that cannot be encoded', frames: call({ path: methodPath('BadAnswer') }) },
    { name: 'metadata of an answer that is not allowed', frames: call({ path: methodPath('AdornBadly') }) },
    {
      name: 'an error with metadata',
      frames: call({ path: methodPath('Adorn'), extra: [['x-echo', 'kept']], body: message(Buffer.from('fail')) }),
    },
  ];
}

function frameSequences(): OddRequest[] {
  const open = headers(ODD_STREAM, block({}));
  const unknown = headers(ODD_STREAM, block({ path: '/x' }));
  const trailers = literal('x-trailer', 'value');
  return [
    { name: 'trailers after the message', frames: [open, data(ODD_STREAM, HELLO), headersOnly(ODD_STREAM, trailers)] },
    { name: 'trailers without END_STREAM', frames: [open, data(ODD_STREAM, HELLO), headers(ODD_STREAM, trailers)] },
    {
      name: 'trailers with a pseudo-header',
      frames: [open, data(ODD_STREAM, HELLO), headersOnly(ODD_STREAM, literal(':path', '/'))],
    },
    {
      name: 'an answer before the caller has half-closed, and DATA after it',
      frames: [unknown, data(ODD_STREAM, HELLO), last(HELLO)],
    },
    { name: 'HEADERS in three frames', frames: [split(block({}), 40), last(HELLO)] },
    {
      name: 'frames of unknown types',
      frames: [
        frame(GREASE, 0xff, 0, Buffer.from('x')),
        open,
        frame(PRIORITY_UPDATE, 0, 0, Buffer.concat([uint32(ODD_STREAM), Buffer.from('u=1')])),
        last(HELLO),
      ],
    },
    { name: 'PRIORITY', frames: [priority(ODD_STREAM), open, last(HELLO)] },
    { name: 'DATA after END_STREAM', frames: [...call({ path: methodPath('Hold') }), last(HELLO)] },
  ];
}

/** Returns the frames of a call whose header block needs several frames. */
function largeCall(bytes: number): Buffer[] {
  const extra = Array.from({ length: bytes / 1024 }, (_, index) => [`x-large-${index}`, 'm'.repeat(1_000)] as const);
  return [split(block({ extra }), MAX_FRAME_BYTES), last(HELLO)];
}

function manyFields(count: number): FieldRow[] {
  return Array.from({ length: count }, (_, index) => [`x-${index}`, 'v']);
}

function failure(status: Record<string, unknown>): Buffer {
  return message(Buffer.from(JSON.stringify(status)));
}

function quoted(value: string): string {
  const shown = value.length > 60 ? `${value.slice(0, 20)}… (${value.length})` : value;
  return `"${shown}"`;
}
