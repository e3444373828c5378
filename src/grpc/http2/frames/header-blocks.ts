/**
 * Assembles header blocks from HEADERS and CONTINUATION frames, and removes padding and priority fields.
 *
 * Invariants:
 *   1. The size of a block and its number of frames are limited (CVE-2024-27316).
 *   2. While `isOpen` is true, only CONTINUATION may follow (RFC 9113, section 6.10). `ConnectionFrames` enforces this
 *      rule.
 */
import { bufferedCopy } from '../../transport/buffered-memory.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import type { Frame } from './frame-reader.ts';
import { ConnectionFault, ErrorCode, Flag } from './protocol.ts';

const PRIORITY_BYTES = 5;

interface OpenBlock {
  readonly streamId: number;
  /** Flags of the HEADERS frame that started the block. */
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

  /** True while a block is incomplete. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Reads HEADERS. Returns true if the block is complete. In this case the payload of the frame is narrowed to the
   * block.
   */
  headers(frame: Frame): boolean {
    const { flags, streamId } = frame;
    if ((streamId & 1) === 0) {
      throw new ConnectionFault(ErrorCode.protocol, `the stream id of HEADERS must be odd, got ${streamId}`);
    }
    skipPadding(frame);
    if ((flags & Flag.priority) !== 0) {
      if (frame.payloadBytes < PRIORITY_BYTES) {
        throw new ConnectionFault(
          ErrorCode.frameSize,
          `HEADERS with priority fields must have at least ${PRIORITY_BYTES} bytes`,
        );
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

  /**
   * Reads CONTINUATION. Returns true if the block is complete. In this case the frame has the flags of the HEADERS
   * frame, and the whole block as its payload.
   */
  continuation(frame: Frame): boolean {
    const open = this.#open;
    if (open === undefined || open.streamId !== frame.streamId) {
      throw new ConnectionFault(ErrorCode.protocol, 'CONTINUATION must follow HEADERS of the same stream');
    }
    open.parts.push(bufferedCopy(frame.bytes, frame.start, frame.end));
    open.bytes += frame.payloadBytes;
    const { maxHeaderBlockBytes, maxContinuationFrames } = this.#limits;
    if (open.bytes > maxHeaderBlockBytes || open.parts.length > maxContinuationFrames + 1) {
      const text =
        `a header block must have at most ${maxHeaderBlockBytes} bytes and ${maxContinuationFrames} CONTINUATION frames, ` +
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

/** Narrows the payload of HEADERS or DATA to the bytes without padding (RFC 9113, section 6.1). */
export function skipPadding(frame: Frame): void {
  if ((frame.flags & Flag.padded) === 0) {
    return;
  }
  const lengthBytes = 1;
  const padding = frame.payloadBytes === 0 ? Number.POSITIVE_INFINITY : (frame.bytes[frame.start] as number);
  if (padding > frame.payloadBytes - lengthBytes) {
    throw new ConnectionFault(ErrorCode.protocol, 'padding must be shorter than the frame payload');
  }
  frame.start += lengthBytes;
  frame.end -= padding;
}

/**
 * Throws a ConnectionFault if a stream depends on itself (RFC 7540, section 5.3.1, which h2spec checks). Priorities are
 * otherwise ignored.
 */
export function checkDependency(frame: Frame): void {
  if ((frame.bytes.readUInt32BE(frame.start) & 0x7fffffff) === frame.streamId) {
    throw new ConnectionFault(ErrorCode.protocol, 'a stream must not depend on itself');
  }
}
