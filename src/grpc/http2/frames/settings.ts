/**
 * Encodes our SETTINGS, and checks the SETTINGS of a peer (RFC 9113, section 6.5).
 */
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Frame } from './frame-reader.ts';
import { ConnectionFault, ErrorCode, MAX_FRAME_BYTES, MAX_WINDOW_BYTES, Setting } from './protocol.ts';

const ENTRY_BYTES = 6;
/** Largest value of SETTINGS_MAX_FRAME_SIZE that RFC 9113 allows. */
const MAX_FRAME_SIZE_SETTING = 0xff_ffff;

/** Settings that the server uses from a peer's SETTINGS frame. */
export interface PeerSettings {
  /** Last SETTINGS_INITIAL_WINDOW_SIZE in the frame. */
  readonly streamWindowBytes: number | undefined;
  /** Smallest SETTINGS_HEADER_TABLE_SIZE in the frame. */
  readonly minTableBytes: number | undefined;
}

export function settingsPayload(limits: Http2Limits): Buffer {
  const entries = [
    [Setting.maxConcurrentStreams, limits.maxStreamsPerConnection],
    [Setting.initialWindowSize, limits.streamWindowBytes],
    // This value exceeds maxMetadataBytes. A caller whose metadata is slightly above that limit therefore receives an
    // error text instead of GOAWAY.
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

/**
 * Reads a SETTINGS frame. Throws a ConnectionFault for an invalid value. A frame may repeat a setting thousands of
 * times, so only one value per setting is returned.
 */
export function readSettings(frame: Frame): PeerSettings {
  const { bytes, start, end } = frame;
  if ((end - start) % ENTRY_BYTES !== 0) {
    throw new ConnectionFault(
      ErrorCode.frameSize,
      `SETTINGS payload must have a multiple of ${ENTRY_BYTES} bytes, got ${end - start}`,
    );
  }
  let streamWindowBytes: number | undefined;
  let minTableBytes: number | undefined;
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const setting = bytes.readUInt16BE(at);
    const value = bytes.readUInt32BE(at + 2);
    checkSetting(setting, value);
    if (setting === Setting.initialWindowSize) {
      streamWindowBytes = value;
    } else if (setting === Setting.headerTableSize) {
      minTableBytes = Math.min(minTableBytes ?? value, value);
    }
  }
  return { streamWindowBytes, minTableBytes };
}

function checkSetting(setting: number, value: number): void {
  if (setting === Setting.enablePush && value > 1) {
    throw new ConnectionFault(ErrorCode.protocol, `SETTINGS_ENABLE_PUSH must be 0 or 1, got ${value}`);
  }
  if (setting === Setting.initialWindowSize && value > MAX_WINDOW_BYTES) {
    const text = `SETTINGS_INITIAL_WINDOW_SIZE must be at most ${MAX_WINDOW_BYTES}, got ${value}`;
    throw new ConnectionFault(ErrorCode.flowControl, text);
  }
  if (setting === Setting.maxFrameSize && (value < MAX_FRAME_BYTES || value > MAX_FRAME_SIZE_SETTING)) {
    const text = `SETTINGS_MAX_FRAME_SIZE must be between ${MAX_FRAME_BYTES} and ${MAX_FRAME_SIZE_SETTING}, got ${value}`;
    throw new ConnectionFault(ErrorCode.protocol, text);
  }
}
