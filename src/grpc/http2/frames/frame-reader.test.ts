/**
 * Tests that the frames do not depend on how the bytes are split into chunks. Also tests that the reader rejects an
 * oversized frame before it buffers any of the payload.
 */
import { continuation, data, frame, headers, ping, settings } from '../../../../test/support/http2/frames.ts';
import { FrameReader } from './frame-reader.ts';
import { ConnectionFault, ErrorCode } from './protocol.ts';

const MAX_FRAME_BYTES = 16_384;

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: string;
}

function read(...chunks: readonly Buffer[]): Seen[] {
  const reader = new FrameReader(MAX_FRAME_BYTES);
  const { frame: read } = reader;
  const seen: Seen[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    while (reader.next()) {
      const { type, flags, streamId } = read;
      seen.push({ type, flags, streamId, payload: read.bytes.toString('hex', read.start, read.end) });
    }
  }
  return seen;
}

function faultOf(...chunks: readonly Buffer[]): ConnectionFault {
  try {
    read(...chunks);
  } catch (error) {
    if (error instanceof ConnectionFault) {
      return error;
    }
    throw error;
  }
  throw new Error('cannot find a connection error: all bytes were accepted');
}

const CONVERSATION = Buffer.concat([
  settings([[4, 100_000]]),
  ping(),
  headers(1, Buffer.from('83868441', 'hex'), 0),
  continuation(1, Buffer.alloc(0), 4),
  data(1, Buffer.alloc(300, 7), 1),
  frame(200, 0xff, 0x7fff_ffff, Buffer.from('unknown')),
]);

const FRAMES: readonly Seen[] = [
  { type: 4, flags: 0, streamId: 0, payload: '0004000186a0' },
  { type: 6, flags: 0, streamId: 0, payload: '00'.repeat(8) },
  { type: 1, flags: 0, streamId: 1, payload: '83868441' },
  { type: 9, flags: 4, streamId: 1, payload: '' },
  { type: 0, flags: 1, streamId: 1, payload: '07'.repeat(300) },
  { type: 200, flags: 255, streamId: 0x7fff_ffff, payload: Buffer.from('unknown').toString('hex') },
];

test('reads all frames of one chunk', () => {
  expect(read(CONVERSATION)).toEqual(FRAMES);
});

test('reads the same frames wherever a chunk is split', () => {
  for (let at = 0; at <= CONVERSATION.length; at += 1) {
    expect(read(CONVERSATION.subarray(0, at), CONVERSATION.subarray(at))).toEqual(FRAMES);
  }
});

test.each([1, 2, 3, 8, 9, 10, 64])('reads the same frames from chunks of %i bytes', (size) => {
  const chunks: Buffer[] = [];
  for (let at = 0; at < CONVERSATION.length; at += size) {
    chunks.push(CONVERSATION.subarray(at, at + size));
  }
  expect(read(...chunks)).toEqual(FRAMES);
});

test('ignores the reserved bit of a stream id', () => {
  const bytes = frame(8, 0, 3, Buffer.alloc(4));
  bytes.writeUInt32BE(0x8000_0003, 5);
  expect(read(bytes).map(({ streamId }) => streamId)).toEqual([3]);
});

test('reads the largest frame from one chunk and from two', () => {
  const largest = data(1, Buffer.alloc(MAX_FRAME_BYTES, 1));
  for (const at of [0, 5, 9, 10_000]) {
    const seen = read(largest.subarray(0, at), largest.subarray(at));
    expect(seen.map(({ payload }) => payload.length / 2)).toEqual([MAX_FRAME_BYTES]);
  }
});

test('rejects a frame above the limit as soon as its header has arrived', () => {
  const tooLarge = data(1, Buffer.alloc(MAX_FRAME_BYTES + 1));
  for (const chunks of [[tooLarge.subarray(0, 9)], [tooLarge.subarray(0, 4), tooLarge.subarray(4, 9)]]) {
    expect(faultOf(...chunks).code).toBe(ErrorCode.frameSize);
  }
});

test('does not copy a frame that one chunk contains, and releases the chunk afterwards', () => {
  const chunk = Buffer.concat([Buffer.from('before'), ping()]);
  const reader = new FrameReader(MAX_FRAME_BYTES);
  reader.push(chunk, 6);
  expect(reader.next()).toBe(true);
  expect(reader.frame.bytes).toBe(chunk);
  expect(reader.next()).toBe(false);
  expect(reader.frame.bytes).not.toBe(chunk);
});
