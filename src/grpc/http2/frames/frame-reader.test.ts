/**
 * Cutting bytes into frames: the same frames however the bytes are cut, and what is refused before anything is held.
 */
import { continuation, data, frame, headers, PREFACE, ping, settings } from '../../../../test/support/http2/frames.ts';
import { FrameReader } from './frame-reader.ts';
import { ConnectionFault, ErrorCode } from './protocol.ts';

const MAX_FRAME_BYTES = 16_384;

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: string;
}

function readerInto(seen: Seen[]): FrameReader {
  const sink = {
    frame: (type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void => {
      seen.push({ type, flags, id, payload: bytes.toString('hex', start, end) });
    },
  };
  return new FrameReader(sink, MAX_FRAME_BYTES);
}

function faultOf(...chunks: readonly Buffer[]): ConnectionFault {
  const reader = readerInto([]);
  try {
    for (const chunk of chunks) {
      reader.push(chunk);
    }
  } catch (error) {
    if (error instanceof ConnectionFault) {
      return error;
    }
    throw error;
  }
  throw new Error('Cannot find a fault: the bytes were taken');
}

const CONVERSATION = Buffer.concat([
  PREFACE,
  settings([[4, 100_000]]),
  ping(),
  headers(1, Buffer.from('83868441', 'hex'), 0),
  continuation(1, Buffer.alloc(0), 4),
  data(1, Buffer.alloc(300, 7), 1),
  frame(200, 0xff, 0x7fff_ffff, Buffer.from('unknown')),
]);

const FRAMES: readonly Seen[] = [
  { type: 4, flags: 0, id: 0, payload: '0004000186a0' },
  { type: 6, flags: 0, id: 0, payload: '00'.repeat(8) },
  { type: 1, flags: 0, id: 1, payload: '83868441' },
  { type: 9, flags: 4, id: 1, payload: '' },
  { type: 0, flags: 1, id: 1, payload: '07'.repeat(300) },
  { type: 200, flags: 255, id: 0x7fff_ffff, payload: Buffer.from('unknown').toString('hex') },
];

test('one chunk is cut into its frames', () => {
  const seen: Seen[] = [];
  readerInto(seen).push(CONVERSATION);
  expect(seen).toEqual(FRAMES);
});

test('a cut at any place changes nothing', () => {
  for (let at = 0; at <= CONVERSATION.length; at += 1) {
    const seen: Seen[] = [];
    const reader = readerInto(seen);
    reader.push(CONVERSATION.subarray(0, at));
    reader.push(CONVERSATION.subarray(at));
    expect(seen).toEqual(FRAMES);
  }
});

test.each([1, 2, 3, 8, 9, 10, 64])('chunks of %i bytes change nothing', (size) => {
  const seen: Seen[] = [];
  const reader = readerInto(seen);
  for (let at = 0; at < CONVERSATION.length; at += size) {
    reader.push(CONVERSATION.subarray(at, at + size));
  }
  expect(seen).toEqual(FRAMES);
});

test('the reserved bit of a stream is not part of its number', () => {
  const bytes = frame(8, 0, 3, Buffer.alloc(4));
  bytes.writeUInt32BE(0x8000_0003, 5);
  const seen: Seen[] = [];
  readerInto(seen).push(Buffer.concat([PREFACE, bytes]));
  expect(seen.map(({ id }) => id)).toEqual([3]);
});

test('the largest frame is taken, in one chunk and in two', () => {
  const largest = data(1, Buffer.alloc(MAX_FRAME_BYTES, 1));
  for (const at of [0, 5, 9, 10_000]) {
    const seen: Seen[] = [];
    const reader = readerInto(seen);
    reader.push(PREFACE);
    reader.push(largest.subarray(0, at));
    reader.push(largest.subarray(at));
    expect(seen.map(({ payload }) => payload.length / 2)).toEqual([MAX_FRAME_BYTES]);
  }
});

test('a frame over the limit is refused by its header alone', () => {
  const tooLarge = data(1, Buffer.alloc(MAX_FRAME_BYTES + 1));
  for (const chunks of [[tooLarge.subarray(0, 9)], [tooLarge.subarray(0, 4), tooLarge.subarray(4, 9)]]) {
    expect(faultOf(PREFACE, ...chunks).code).toBe(ErrorCode.frameSize);
  }
});

test('what is no preface is refused at its first wrong byte', () => {
  expect(faultOf(Buffer.from('GET / HTTP/1.1\r\n')).code).toBe(ErrorCode.protocol);
  expect(faultOf(Buffer.from([0x16, 0x03, 0x01])).code).toBe(ErrorCode.protocol);
  expect(faultOf(PREFACE.subarray(0, 10), Buffer.from('x')).code).toBe(ErrorCode.protocol);
});

test('a frame that lies whole in a chunk is not copied', () => {
  const chunk = Buffer.concat([PREFACE, ping()]);
  const buffers: Buffer[] = [];
  const reader = new FrameReader({ frame: (_type, _flags, _id, bytes) => buffers.push(bytes) }, MAX_FRAME_BYTES);
  reader.push(chunk);
  expect(buffers).toHaveLength(1);
  expect(buffers[0]).toBe(chunk);
});
