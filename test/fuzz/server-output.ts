/**
 * Reads the output of a server, and checks the rules that the output must follow for any input of the peer.
 *
 * Invariants:
 *   1. The output consists of complete frames of known types, starting with SETTINGS.
 *   2. Header blocks can be decoded.
 *   3. The server sends nothing on a stream that has ended, or after a GOAWAY with an error.
 */

import { readBlock } from '../support/http2/answers.ts';
import { FrameFlag, FrameType, HEADER_BYTES } from '../support/http2/frames.ts';
import { ensure } from './target.ts';

interface StreamOutput {
  body: Buffer;
  readonly fields: Map<string, string>;
  hasEnded: boolean;
  reset: number | undefined;
}

export interface ServerOutput {
  readonly streams: ReadonlyMap<number, StreamOutput>;
  /** Error code of the last GOAWAY; undefined if the server sent none. */
  readonly goaway: number | undefined;
}

const MAX_FRAME_BYTES = 16_384;
const KNOWN_TYPES: readonly number[] = [
  FrameType.data,
  FrameType.headers,
  FrameType.rstStream,
  FrameType.settings,
  FrameType.ping,
  FrameType.goaway,
  FrameType.windowUpdate,
];

export function readOutput(bytes: Buffer): ServerOutput {
  const streams = new Map<number, StreamOutput>();
  let goaway: number | undefined;
  let isFirst = true;
  for (let at = 0; at < bytes.length; ) {
    const context = (): unknown => ({ at, bytes: bytes.toString('hex') });
    ensure(bytes.length - at >= HEADER_BYTES, 'the server sent a truncated frame header', context);
    const length = bytes.readUIntBE(at, 3);
    const type = bytes.readUInt8(at + 3);
    const flags = bytes.readUInt8(at + 4);
    const streamId = bytes.readUInt32BE(at + 5);
    const payload = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    ensure(payload.length === length, 'the server sent a truncated frame', context);
    ensure(
      length <= MAX_FRAME_BYTES && KNOWN_TYPES.includes(type),
      'the server sent a frame that is too large or of an unexpected type',
      context,
    );
    ensure(!isFirst || type === FrameType.settings, 'the first frame of the server is not SETTINGS', context);
    ensure(goaway === undefined || goaway === 0, 'the server sent a frame after a GOAWAY with an error', context);
    isFirst = false;
    if (type === FrameType.goaway) {
      goaway = payload.readUInt32BE(4);
    }
    if (streamId !== 0 && type !== FrameType.windowUpdate) {
      noteStream(streamOf(streams, streamId), { type, flags, payload }, context);
    }
    at += HEADER_BYTES + length;
  }
  return { streams, goaway };
}

function noteStream(
  stream: StreamOutput,
  frame: { type: number; flags: number; payload: Buffer },
  context: () => unknown,
): void {
  if (frame.type === FrameType.rstStream) {
    // The server may send several RST_STREAM frames if the peer continues a stream that has ended.
    stream.reset = frame.payload.readUInt32BE(0);
    return;
  }
  ensure(!stream.hasEnded && stream.reset === undefined, 'the server sent a frame on a stream that had ended', context);
  if (frame.type === FrameType.headers) {
    ensure((frame.flags & FrameFlag.endHeaders) !== 0, 'a header block spans several frames', context);
    for (const [name, value] of readBlock(frame.payload)) {
      stream.fields.set(name, value);
    }
  } else {
    ensure(stream.fields.has(':status'), 'DATA arrived before HEADERS', context);
    stream.body = Buffer.concat([stream.body, frame.payload]);
  }
  stream.hasEnded = (frame.flags & FrameFlag.endStream) !== 0;
}

function streamOf(streams: Map<number, StreamOutput>, streamId: number): StreamOutput {
  let stream = streams.get(streamId);
  if (stream === undefined) {
    stream = { body: Buffer.alloc(0), fields: new Map(), hasEnded: false, reset: undefined };
    streams.set(streamId, stream);
  }
  return stream;
}
