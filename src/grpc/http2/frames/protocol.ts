/**
 * Constants of HTTP/2 (RFC 9113), and the exception for connection errors.
 */

export const FRAME_HEADER_BYTES = 9;
/**
 * Largest frame payload that we receive and send: the smallest maximum that HTTP/2 allows (RFC 9113, section 4.2).
 * Larger frames would only delay other streams.
 */
export const MAX_FRAME_BYTES = 16_384;
export const MAX_WINDOW_BYTES = 0x7fffffff;
/** Size of a flow-control window before SETTINGS or WINDOW_UPDATE change it (RFC 9113, section 6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535;
export const MAX_STREAM_ID = 0x7fffffff;

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { none: 0, endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const ErrorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Values of the metric label `reason` for dropped connections. */
export const DROP_REASONS: Readonly<Record<ErrorCode, string>> = {
  [ErrorCode.none]: 'none',
  [ErrorCode.protocol]: 'protocol_error',
  [ErrorCode.internal]: 'internal_error',
  [ErrorCode.flowControl]: 'flow_control_error',
  [ErrorCode.streamClosed]: 'stream_closed',
  [ErrorCode.frameSize]: 'frame_size_error',
  [ErrorCode.refusedStream]: 'refused_stream',
  [ErrorCode.cancel]: 'cancel',
  [ErrorCode.compression]: 'compression_error',
  [ErrorCode.enhanceYourCalm]: 'enhance_your_calm',
};

/** A connection error (RFC 9113, section 5.4.1): the connection sends GOAWAY with this code and message, and closes. */
export class ConnectionFault extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = 'ConnectionFault';
    this.code = code;
  }
}
