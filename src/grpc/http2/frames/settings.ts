/**
 * SETTINGS (RFC 9113, section 6.5): what we announce, and the check of what a peer announces.
 */
import type { Http2Limits } from '../limits/http2-limits.ts';
import { ConnectionFault, ErrorCode, MAX_FRAME_BYTES, MAX_WINDOW_BYTES, Setting } from './protocol.ts';

const ENTRY_BYTES = 6;
const FRAME_BYTES_LIMIT = 0xff_ffff;

export function settingsPayload(limits: Http2Limits): Buffer {
  const entries = [
    [Setting.maxConcurrentStreams, limits.maxStreamsPerConnection],
    [Setting.initialWindowSize, limits.streamWindowBytes],
    // More than maxMetadataBytes: callers that keep to it send a little too much all the same, and are told so in words.
    [Setting.maxHeaderListSize, limits.maxHeaderBlockBytes],
    [Setting.headerTableSize, limits.hpackTableBytes],
  ] as const;
  const payload = Buffer.alloc(entries.length * ENTRY_BYTES);
  for (const [index, [setting, value]] of entries.entries()) {
    payload.writeUInt16BE(setting, index * ENTRY_BYTES);
    payload.writeUInt32BE(value, index * ENTRY_BYTES + 2);
  }
  return payload;
}

/** Calls `apply` for each setting of a frame; throws a ConnectionFault for a value that is not allowed. */
export function readSettings(
  bytes: Buffer,
  start: number,
  end: number,
  apply: (setting: number, value: number) => void,
): void {
  if ((end - start) % ENTRY_BYTES !== 0) {
    throw new ConnectionFault(ErrorCode.frameSize, 'SETTINGS length not valid');
  }
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const setting = bytes.readUInt16BE(at);
    const value = bytes.readUInt32BE(at + 2);
    checkSetting(setting, value);
    apply(setting, value);
  }
}

function checkSetting(setting: number, value: number): void {
  if (setting === Setting.enablePush && value > 1) {
    throw new ConnectionFault(ErrorCode.protocol, `SETTINGS_ENABLE_PUSH is ${value}, wanted 0 or 1`);
  }
  if (setting === Setting.initialWindowSize && value > MAX_WINDOW_BYTES) {
    throw new ConnectionFault(ErrorCode.flowControl, `SETTINGS_INITIAL_WINDOW_SIZE is ${value}, wanted less than 2^31`);
  }
  if (setting === Setting.maxFrameSize && (value < MAX_FRAME_BYTES || value > FRAME_BYTES_LIMIT)) {
    throw new ConnectionFault(ErrorCode.protocol, `SETTINGS_MAX_FRAME_SIZE is ${value}, wanted 16384 to 16777215`);
  }
}
