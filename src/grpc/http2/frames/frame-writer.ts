/**
 * Writes frame headers and ready-made frames into buffers. A ready-made frame needs only a stream id.
 */
import { FRAME_HEADER_BYTES } from './protocol.ts';

/** Maximum number of bytes to copy with a loop, which is faster than a native call for so few bytes. */
const MAX_LOOP_BYTES = 64;

/** Writes a frame header. Returns the offset after the header. */
export function putFrameHeader(
  buffer: Buffer,
  at: number,
  payloadBytes: number,
  type: number,
  flags: number,
  id: number,
): number {
  buffer[at] = payloadBytes >>> 16;
  buffer[at + 1] = payloadBytes >>> 8;
  buffer[at + 2] = payloadBytes;
  buffer[at + 3] = type;
  buffer[at + 4] = flags;
  putStreamId(buffer, at, id);
  return at + FRAME_HEADER_BYTES;
}

/** Returns a ready-made frame. Its stream id is 0. */
export function readyFrame(type: number, flags: number, payload: Buffer): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  payload.copy(frame, putFrameHeader(frame, 0, payload.length, type, flags, 0));
  return frame;
}

/** Copies a ready-made frame and sets its stream id. Returns the offset after the frame. */
export function putReadyFrame(buffer: Buffer, at: number, frame: Buffer, id: number): number {
  const end = putBytes(buffer, at, frame);
  putStreamId(buffer, at, id);
  return end;
}

export function putBytes(buffer: Buffer, at: number, bytes: Uint8Array): number {
  const length = bytes.length;
  if (length > MAX_LOOP_BYTES) {
    buffer.set(bytes, at);
    return at + length;
  }
  for (let index = 0; index < length; index += 1) {
    buffer[at + index] = bytes[index] as number;
  }
  return at + length;
}

function putStreamId(buffer: Buffer, at: number, id: number): void {
  buffer[at + 5] = id >>> 24;
  buffer[at + 6] = id >>> 16;
  buffer[at + 7] = id >>> 8;
  buffer[at + 8] = id;
}
