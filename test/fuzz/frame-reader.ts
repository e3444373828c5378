/**
 * Fuzzes the frame reader.
 *
 * Invariants:
 *   1. The frames, and a connection error after them, do not depend on how the input is split into chunks.
 *   2. The reader throws nothing but a ConnectionFault.
 *   3. All payloads together are not longer than the input.
 */
import { FrameReader } from '../../src/grpc/http2/frames/frame-reader.ts';
import { ConnectionFault } from '../../src/grpc/http2/frames/protocol.ts';
import { PREFACE } from '../support/http2/frames.ts';
import type { FastRandom } from '../support/http2/random.ts';
import { conversation, mutateFrames } from './conversations.ts';
import { cut, mutate } from './mutate.ts';
import { ensure, type FuzzTarget } from './target.ts';

const MAX_FRAME_BYTES = 16_384;

interface Reading {
  readonly frames: string[];
  payloadBytes: number;
  fault: string | undefined;
}

export const frameReaderTarget: FuzzTarget = {
  name: 'frame-reader',
  share: 20,
  run: (random) => {
    const bytes = input(random);
    const whole = read([bytes]);
    const pieces = cut(bytes, random);
    const inPieces = read(pieces);
    const isSame =
      whole.fault === inPieces.fault &&
      whole.frames.length === inPieces.frames.length &&
      whole.frames.every((frame, index) => frame === inPieces.frames[index]);
    ensure(isSame, 'frames depend on how the input is split', () => ({
      bytes: bytes.toString('hex'),
      whole,
      inPieces,
    }));
    ensure(whole.payloadBytes <= bytes.length, 'payloads are longer than the input', () => bytes.toString('hex'));
    return undefined;
  },
};

function input(random: FastRandom): Buffer {
  switch (random.below(6)) {
    case 0:
      return random.bytes(random.below(200));
    case 1:
      return Buffer.concat([PREFACE, random.bytes(random.below(300))]);
    case 2:
      return mutate(Buffer.concat(conversation(random).frames), random);
    case 3:
      return Buffer.concat(mutateFrames(conversation(random).frames, random));
    default:
      return Buffer.concat([PREFACE, ...randomFrames(random)]);
  }
}

/** Returns frames of any type, most of them short. */
function randomFrames(random: FastRandom): Buffer[] {
  return Array.from({ length: random.below(6) }, () => {
    const length = random.once(50) ? random.below(MAX_FRAME_BYTES + 2) : random.below(30);
    const frame = Buffer.alloc(9 + length, random.below(256));
    frame.writeUIntBE(length, 0, 3);
    frame.writeUInt32BE(random.next(), 5);
    return frame;
  });
}

function read(chunks: readonly Buffer[]): Reading {
  const reading: Reading = { frames: [], payloadBytes: 0, fault: undefined };
  const reader = new FrameReader(MAX_FRAME_BYTES);
  const { frame } = reader;
  try {
    for (const chunk of chunks) {
      reader.push(chunk);
      while (reader.next()) {
        reading.payloadBytes += frame.payloadBytes;
        reading.frames.push(
          `${frame.type} ${frame.flags} ${frame.streamId} ${frame.bytes.toString('latin1', frame.start, frame.end)}`,
        );
      }
    }
  } catch (error) {
    if (!(error instanceof ConnectionFault)) {
      throw error;
    }
    reading.fault = `${error.code} ${error.message}`;
  }
  return reading;
}
