/**
 * Splits the bytes of a connection into frames, one per call of `next`.
 *
 * Invariants:
 *   1. The reader reads a frame in place if one chunk contains the whole frame. It copies a frame that spans chunks
 *      into a separate buffer, and copies each payload byte of such a frame once, however small the chunks are.
 *   2. The reader throws a ConnectionFault for a frame above the size limit before it buffers any of the payload.
 *   3. The reader allocates no memory to read a frame in place. The reader releases a chunk after it has read all
 *      frames of the chunk.
 */
import { bufferedMemory } from '../../transport/buffered-memory.ts';
import { ConnectionFault, ErrorCode, Flag, FRAME_HEADER_BYTES } from './protocol.ts';

const NO_BYTES = Buffer.alloc(0);

/** Last frame that was read. Each reader has one such object, which `next` overwrites with the next frame. */
export class Frame {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Buffer that contains the payload at `bytes[start, end)`. The payload bytes are never overwritten. */
  bytes: Buffer = NO_BYTES;
  start = 0;
  end = 0;

  get payloadBytes(): number {
    return this.end - this.start;
  }

  /** True for HEADERS and DATA with the flag END_STREAM. */
  get isLast(): boolean {
    return (this.flags & Flag.endStream) !== 0;
  }
}

export class FrameReader {
  readonly frame = new Frame();
  readonly #maxFrameBytes: number;
  #chunk: Buffer = NO_BYTES;
  #at = 0;
  /**
   * Buffer for a frame that spans chunks. The buffer is as large as the frame header until the header is complete, and
   * then as large as the whole frame.
   */
  #cut: Buffer | undefined;
  #cutBytes = 0;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Starts reading a chunk at the offset `at`. The caller must first have read all frames of the previous chunk. */
  push(chunk: Buffer, at = 0): void {
    this.#chunk = chunk;
    this.#at = at;
  }

  /** Reads the next complete frame into `frame`. Returns false if the chunk has no further complete frame. */
  next(): boolean {
    const chunk = this.#chunk;
    while (this.#cut !== undefined && this.#at < chunk.length) {
      if (this.#fill(this.#cut, chunk)) {
        return true;
      }
    }
    const at = this.#at;
    const leftBytes = chunk.length - at;
    if (leftBytes >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + this.#payloadBytes(chunk, at);
      if (end <= chunk.length) {
        this.#at = end;
        this.#read(chunk, at, end);
        return true;
      }
    }
    if (leftBytes > 0) {
      this.#startCut(chunk, at);
    }
    this.#forgetChunk();
    return false;
  }

  /** Releases the chunk and any partial frame. */
  close(): void {
    this.#cut = undefined;
    this.#forgetChunk();
  }

  #forgetChunk(): void {
    this.#chunk = NO_BYTES;
    this.#at = 0;
    this.frame.bytes = NO_BYTES;
  }

  #startCut(chunk: Buffer, at: number): void {
    const isHeaderWhole = chunk.length - at >= FRAME_HEADER_BYTES;
    const size = isHeaderWhole ? FRAME_HEADER_BYTES + this.#payloadBytes(chunk, at) : FRAME_HEADER_BYTES;
    this.#cut = bufferedMemory(size);
    this.#cutBytes = chunk.copy(this.#cut, 0, at);
  }

  /**
   * Copies the missing bytes of a partial frame from the chunk. Returns true once the frame is complete and has been
   * read into `frame`.
   */
  #fill(cut: Buffer, chunk: Buffer): boolean {
    const copied = chunk.copy(
      cut,
      this.#cutBytes,
      this.#at,
      Math.min(chunk.length, this.#at + cut.length - this.#cutBytes),
    );
    this.#at += copied;
    this.#cutBytes += copied;
    if (this.#cutBytes < cut.length) {
      return false;
    }
    const size = FRAME_HEADER_BYTES + this.#payloadBytes(cut, 0);
    if (cut.length < size) {
      const whole = bufferedMemory(size);
      cut.copy(whole);
      this.#cut = whole;
      return false;
    }
    this.#cut = undefined;
    this.#read(cut, 0, size);
    return true;
  }

  #payloadBytes(bytes: Buffer, at: number): number {
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (length > this.#maxFrameBytes) {
      const text = `frame payload must have at most ${this.#maxFrameBytes} bytes, got ${length}`;
      throw new ConnectionFault(ErrorCode.frameSize, text);
    }
    return length;
  }

  #read(bytes: Buffer, at: number, end: number): void {
    const { frame } = this;
    frame.type = bytes[at + 3] as number;
    frame.flags = bytes[at + 4] as number;
    frame.streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    frame.bytes = bytes;
    frame.start = at + FRAME_HEADER_BYTES;
    frame.end = end;
  }
}
