/**
 * Builds a gRPC request as raw frames. A test can change any part of the request.
 */
import { continuation, data, FrameFlag, headers, indexed, literal, message } from '../http2/frames.ts';
import { ODD_STREAM } from './raw-outcome.ts';
import { methodPath } from './test-methods.ts';

export type FieldRow = readonly [name: string, value: string];

export const HELLO = message(Buffer.from('hello'));
export const MAX_FRAME_BYTES = 16_384;
const POST = indexed(3);
const SCHEME_HTTP = indexed(6);

export interface CallOptions {
  readonly method?: string;
  readonly scheme?: string;
  readonly path?: string;
  readonly authority?: string | undefined;
  readonly contentType?: string | undefined;
  readonly te?: string | undefined;
  readonly extra?: readonly FieldRow[];
  readonly body?: Buffer;
}

/** Returns HEADERS and DATA frames; the last one ends the stream. */
export function call(options: CallOptions): Buffer[] {
  const { body = HELLO } = options;
  return [headers(ODD_STREAM, block(options)), ...inPieces(body, MAX_FRAME_BYTES)];
}

export function block(options: CallOptions): Buffer {
  const { method, scheme, path = methodPath('Echo'), extra = [] } = options;
  const optional = { authority: 'localhost', contentType: 'application/grpc', te: 'trailers', ...options };
  return Buffer.concat([
    method === undefined ? POST : literal(':method', method),
    scheme === undefined ? SCHEME_HTTP : literal(':scheme', scheme),
    literal(':path', path),
    ...fieldOf(':authority', optional.authority),
    ...fieldOf('content-type', optional.contentType),
    ...fieldOf('te', optional.te),
    ...extra.map(([name, value]) => literal(name, value)),
  ]);
}

function fieldOf(name: string, value: string | undefined): Buffer[] {
  return value === undefined ? [] : [literal(name, value)];
}

/**
 * Splits a header block into several frames. Returns the frames as one buffer, because no other frame may come between
 * them.
 */
export function split(headerBlock: Buffer, size: number): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < headerBlock.length; at += size) {
    const piece = headerBlock.subarray(at, at + size);
    const flags = at + size >= headerBlock.length ? FrameFlag.endHeaders : 0;
    frames.push(at === 0 ? headers(ODD_STREAM, piece, flags) : continuation(ODD_STREAM, piece, flags));
  }
  return Buffer.concat(frames);
}

export function last(bytes: Buffer): Buffer {
  return data(ODD_STREAM, bytes, FrameFlag.endStream);
}

export function padded(bytes: Buffer): Buffer {
  const payload = Buffer.concat([Buffer.from([4]), bytes, Buffer.alloc(4)]);
  return data(ODD_STREAM, payload, FrameFlag.endStream | FrameFlag.padded);
}

export function inPieces(bytes: Buffer, size: number): Buffer[] {
  const frames: Buffer[] = bytes.length === 0 ? [last(bytes)] : [];
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    frames.push(at + size >= bytes.length ? last(piece) : data(ODD_STREAM, piece));
  }
  return frames;
}

export function flagged(flag: number, bytes: Buffer): Buffer {
  const whole = message(bytes);
  whole.writeUInt8(flag);
  return whole;
}
