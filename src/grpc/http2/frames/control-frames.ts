/**
 * Checks the control frames of a peer, and encodes our GOAWAY.
 *
 * Invariant: the checks throw a ConnectionFault for a frame with an invalid stream id or length (RFC 9113, section 6).
 */
import type { Frame } from './frame-reader.ts';
import { checkDependency } from './header-blocks.ts';
import { ConnectionFault, ErrorCode } from './protocol.ts';

const MIN_GOAWAY_BYTES = 8;

export function checkResetStream(frame: Frame): void {
  checkLength('RST_STREAM', frame.payloadBytes, 4);
}

export function checkPriority(frame: Frame): void {
  checkStream('PRIORITY', frame.streamId !== 0);
  checkLength('PRIORITY', frame.payloadBytes, 5);
  checkDependency(frame);
}

export function checkSettings(frame: Frame): void {
  checkStream('SETTINGS', frame.streamId === 0);
}

export function checkSettingsAck(frame: Frame): void {
  checkLength('acknowledgement of SETTINGS', frame.payloadBytes, 0);
}

export function checkPing(frame: Frame): void {
  checkStream('PING', frame.streamId === 0);
  checkLength('PING', frame.payloadBytes, 8);
}

export function checkGoaway(frame: Frame): void {
  checkStream('GOAWAY', frame.streamId === 0);
  checkLength('fixed part of GOAWAY', Math.min(frame.payloadBytes, MIN_GOAWAY_BYTES), MIN_GOAWAY_BYTES);
}

/** Returns the window size increment. */
export function readWindowUpdate(frame: Frame): number {
  checkLength('WINDOW_UPDATE', frame.payloadBytes, 4);
  return frame.bytes.readUInt32BE(frame.start) & 0x7fffffff;
}

/** Encodes the payload of a GOAWAY frame. The text must be ASCII. */
export function goawayPayload(lastStreamId: number, code: ErrorCode, text: string): Buffer {
  const payload = Buffer.alloc(MIN_GOAWAY_BYTES + text.length);
  payload.writeUInt32BE(lastStreamId, 0);
  payload.writeUInt32BE(code, 4);
  payload.write(text, MIN_GOAWAY_BYTES, 'latin1');
  return payload;
}

function checkLength(frameName: string, bytes: number, expectedBytes: number): void {
  if (bytes !== expectedBytes) {
    throw new ConnectionFault(
      ErrorCode.frameSize,
      `${frameName} payload must have ${expectedBytes} bytes, got ${bytes}`,
    );
  }
}

function checkStream(frameName: string, isValid: boolean): void {
  if (!isValid) {
    throw new ConnectionFault(ErrorCode.protocol, `${frameName} received on an invalid stream`);
  }
}
