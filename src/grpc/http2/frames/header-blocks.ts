/**
 * Puts header blocks together: HEADERS without padding and priority, and the CONTINUATION frames that follow.
 *
 * Promises: a block is bounded in bytes and frames (CVE-2024-27316), and nothing may stand between its frames.
 */
import { bufferedCopy } from '../limits/buffered-memory.ts';
import type { Http2Limits } from '../limits/http2-limits.ts';
import { ConnectionFault, ErrorCode, Flag } from './protocol.ts';

const PRIORITY_BYTES = 5;

export interface BlockSink {
  block(id: number, isLast: boolean, bytes: Buffer, start: number, end: number): void;
}

interface OpenBlock {
  readonly id: number;
  readonly isLast: boolean;
  readonly parts: Buffer[];
  bytes: number;
}

export class HeaderBlocks {
  readonly #sink: BlockSink;
  readonly #limits: Http2Limits;
  #open: OpenBlock | undefined;

  constructor(sink: BlockSink, limits: Http2Limits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** A block has begun and not ended. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if ((id & 1) === 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'HEADERS on a stream that clients cannot open');
    }
    let first = start;
    let last = end;
    if ((flags & Flag.padded) !== 0) {
      last -= paddingBytes(bytes, start, end);
      first += 1;
    }
    if ((flags & Flag.priority) !== 0) {
      if (last - first < PRIORITY_BYTES) {
        throw new ConnectionFault(ErrorCode.frameSize, 'HEADERS too short for its priority');
      }
      checkDependency(id, bytes, first);
      first += PRIORITY_BYTES;
    }
    const isLast = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) {
      this.#sink.block(id, isLast, bytes, first, last);
      return;
    }
    const part = bufferedCopy(bytes, first, last);
    this.#open = { id, isLast, parts: [part], bytes: part.length };
  }

  continuation(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const open = this.#open;
    if (open === undefined || open.id !== id) {
      throw new ConnectionFault(ErrorCode.protocol, 'CONTINUATION without its HEADERS');
    }
    open.parts.push(bufferedCopy(bytes, start, end));
    open.bytes += end - start;
    const { maxHeaderBlockBytes, maxContinuationFrames } = this.#limits;
    if (open.bytes > maxHeaderBlockBytes || open.parts.length > maxContinuationFrames + 1) {
      const wanted = `wanted at most ${maxHeaderBlockBytes} in ${maxContinuationFrames} CONTINUATION frames`;
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, `header block of ${open.bytes} bytes or more, ${wanted}`);
    }
    if ((flags & Flag.endHeaders) === 0) {
      return;
    }
    this.#open = undefined;
    const block = Buffer.concat(open.parts);
    this.#sink.block(open.id, open.isLast, block, 0, block.length);
  }
}

/** Padding and its length byte, of which the caller skips the latter (section 6.1). */
export function paddingBytes(bytes: Buffer, start: number, end: number): number {
  const padding = start === end ? Number.POSITIVE_INFINITY : (bytes[start] as number);
  if (padding >= end - start) {
    throw new ConnectionFault(ErrorCode.protocol, 'more padding than the frame has');
  }
  return padding;
}

/** Priorities are ignored, but a stream may not depend on itself (section 5.3.1 of RFC 7540, which h2spec asks for). */
export function checkDependency(id: number, bytes: Buffer, at: number): void {
  if ((bytes.readUInt32BE(at) & 0x7fffffff) === id) {
    throw new ConnectionFault(ErrorCode.protocol, 'a stream that depends on itself');
  }
}
