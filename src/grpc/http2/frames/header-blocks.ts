/**
 * Puts header blocks together: HEADERS without padding and priority, and the CONTINUATION frames that follow.
 *
 * Invariants:
 *   1. A block is bounded in bytes and frames (CVE-2024-27316).
 *   2. No frame but CONTINUATION may follow while `isOpen` (RFC 9113, section 6.10); the connection checks it.
 */
import { bufferedCopy } from '../../transport/buffered-memory.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Frame } from './frame-reader.ts';
import { ConnectionFault, ErrorCode, Flag } from './protocol.ts';

const PRIORITY_BYTES = 5;

interface OpenBlock {
  readonly streamId: number;
  /** Of its HEADERS. */
  readonly flags: number;
  readonly parts: Buffer[];
  bytes: number;
}

export class HeaderBlocks {
  readonly #limits: Http2Limits;
  #open: OpenBlock | undefined;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
  }

  /** A block has begun and not ended. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Reads HEADERS. True where the block is whole: the payload of the frame is narrowed to it. */
  headers(frame: Frame): boolean {
    const { flags, streamId } = frame;
    if ((streamId & 1) === 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'HEADERS on a stream that clients cannot open');
    }
    skipPadding(frame);
    if ((flags & Flag.priority) !== 0) {
      if (frame.payloadBytes < PRIORITY_BYTES) {
        throw new ConnectionFault(ErrorCode.frameSize, 'HEADERS too short for its priority');
      }
      checkDependency(frame);
      frame.start += PRIORITY_BYTES;
    }
    if ((flags & Flag.endHeaders) !== 0) {
      return true;
    }
    const part = bufferedCopy(frame.bytes, frame.start, frame.end);
    this.#open = { streamId, flags, parts: [part], bytes: part.length };
    return false;
  }

  /** Reads CONTINUATION. True where the block is whole: the frame then stands for its HEADERS, with all of the block. */
  continuation(frame: Frame): boolean {
    const open = this.#open;
    if (open === undefined || open.streamId !== frame.streamId) {
      throw new ConnectionFault(ErrorCode.protocol, 'CONTINUATION without its HEADERS');
    }
    open.parts.push(bufferedCopy(frame.bytes, frame.start, frame.end));
    open.bytes += frame.payloadBytes;
    const { maxHeaderBlockBytes, maxContinuationFrames } = this.#limits;
    if (open.bytes > maxHeaderBlockBytes || open.parts.length > maxContinuationFrames + 1) {
      const text =
        `header block must have at most ${maxHeaderBlockBytes} bytes in ${maxContinuationFrames} CONTINUATION frames, ` +
        `got ${open.bytes} bytes or more`;
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, text);
    }
    if ((frame.flags & Flag.endHeaders) === 0) {
      return false;
    }
    this.#open = undefined;
    frame.flags = open.flags;
    frame.bytes = Buffer.concat(open.parts);
    frame.start = 0;
    frame.end = frame.bytes.length;
    return true;
  }
}

/** Narrows the payload of HEADERS or DATA to what is no padding (section 6.1). */
export function skipPadding(frame: Frame): void {
  if ((frame.flags & Flag.padded) === 0) {
    return;
  }
  const lengthBytes = 1;
  const padding = frame.payloadBytes === 0 ? Number.POSITIVE_INFINITY : (frame.bytes[frame.start] as number);
  if (padding > frame.payloadBytes - lengthBytes) {
    throw new ConnectionFault(ErrorCode.protocol, 'more padding than the frame has');
  }
  frame.start += lengthBytes;
  frame.end -= padding;
}

/** Priorities are ignored, but a stream may not depend on itself (section 5.3.1 of RFC 7540, which h2spec checks). */
export function checkDependency(frame: Frame): void {
  if ((frame.bytes.readUInt32BE(frame.start) & 0x7fffffff) === frame.streamId) {
    throw new ConnectionFault(ErrorCode.protocol, 'a stream that depends on itself');
  }
}
