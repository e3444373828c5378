/**
 * Encodes valid and invalid HTTP/2 frames, for tests that send what no client library would send.
 *
 * The module is based on RFC 9113 and RFC 7541, and deliberately does not use the code under test. A bug in the code
 * under test is therefore not repeated here. The module does not validate the frames.
 */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const HEADER_BYTES = 9;

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FrameFlag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const SettingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const Http2Error = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

const NOTHING = Buffer.alloc(0);
const END_HEADERS_AND_STREAM = FrameFlag.endHeaders | FrameFlag.endStream;

export function frame(type: number, flags: number, streamId: number, payload: Buffer = NOTHING): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(streamId, 5);
  payload.copy(bytes, HEADER_BYTES);
  return bytes;
}

export function settings(rows: readonly (readonly [id: number, value: number])[] = []): Buffer {
  const payload = Buffer.alloc(rows.length * 6);
  rows.forEach(([id, value], row) => {
    payload.writeUInt16BE(id, row * 6);
    payload.writeUInt32BE(value, row * 6 + 2);
  });
  return frame(FrameType.settings, 0, 0, payload);
}

export function settingsAck(): Buffer {
  return frame(FrameType.settings, FrameFlag.ack, 0);
}

export function ping(flags = 0): Buffer {
  return frame(FrameType.ping, flags, 0, Buffer.alloc(8));
}

export function priority(streamId: number, dependsOn = 0): Buffer {
  return frame(FrameType.priority, 0, streamId, Buffer.concat([uint32(dependsOn), Buffer.from([16])]));
}

export function resetStream(streamId: number, code: number = Http2Error.cancel): Buffer {
  return frame(FrameType.rstStream, 0, streamId, uint32(code));
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(FrameType.windowUpdate, 0, streamId, uint32(increment));
}

export function goaway(lastStreamId: number, code: number, text = ''): Buffer {
  return frame(FrameType.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code), Buffer.from(text)]));
}

export function headers(streamId: number, block: Buffer, flags: number = FrameFlag.endHeaders): Buffer {
  return frame(FrameType.headers, flags, streamId, block);
}

export function continuation(streamId: number, block: Buffer, flags = 0): Buffer {
  return frame(FrameType.continuation, flags, streamId, block);
}

export function data(streamId: number, payload: Buffer, flags = 0): Buffer {
  return frame(FrameType.data, flags, streamId, payload);
}

/** Encodes a gRPC message. `declaredLength`, the length in its prefix, may differ from the actual length. */
export function message(bytes: Buffer, declaredLength = bytes.length): Buffer {
  return Buffer.concat([Buffer.from([0]), uint32(declaredLength), bytes]);
}

/** Encodes a complete unary call, which consists of HEADERS, and DATA with END_STREAM. */
export function unaryCall(streamId: number, path: string, bytes: Buffer = NOTHING): Buffer {
  return Buffer.concat([headers(streamId, requestBlock(path)), data(streamId, message(bytes), FrameFlag.endStream)]);
}

/** Encodes HEADERS with END_STREAM, which form a call without a message. */
export function headersOnly(streamId: number, block: Buffer): Buffer {
  return headers(streamId, block, END_HEADERS_AND_STREAM);
}

/** Encodes the header block of a gRPC request with additional fields. */
export function requestBlock(path: string, extra: readonly Buffer[] = []): Buffer {
  return Buffer.concat([
    // Indexes of `:method: POST` and `:scheme: http`.
    Buffer.from([0x83, 0x86]),
    literal(':path', path),
    literal(':authority', 'localhost'),
    literal('content-type', 'application/grpc'),
    literal('te', 'trailers'),
    ...extra,
  ]);
}

/** Indexing modes of literals (RFC 7541, section 6.2). */
export const Indexing = { none: 0x00, never: 0x10, incremental: 0x40 } as const;

/** Encodes a literal field with a literal name, without Huffman coding. */
export function literal(name: string, value: string, indexing: number = Indexing.none): Buffer {
  return Buffer.concat([Buffer.from([indexing]), text(name), text(value)]);
}

export function indexed(index: number): Buffer {
  return integer(index, 7, 0x80);
}

export function tableSizeUpdate(bytes: number): Buffer {
  return integer(bytes, 5, 0x20);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(bytes.length, 7, 0), bytes]);
}

/** Encodes an integer with a prefix (RFC 7541, section 5.1). `pattern` sets the bits before the prefix. */
export function integer(value: number, prefixBits: number, pattern: number): Buffer {
  const maxPrefix = 2 ** prefixBits - 1;
  if (value < maxPrefix) {
    return Buffer.from([pattern | value]);
  }
  const bytes = [pattern | maxPrefix];
  let rest = value - maxPrefix;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Concatenates the buffers that `count` calls of `make` return. */
export function many(count: number, make: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
}
