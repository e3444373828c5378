/**
 * Cuts the bytes of a connection into frames.
 *
 * Promises: a frame that lies whole in a chunk is handed on in place; one that a chunk's end cuts is gathered in a buffer
 * of its own, each byte copied once however small the chunks. A wrong preface and a frame over the limit throw a
 * ConnectionFault before anything is held for them.
 */
import { bufferedMemory } from '../limits/buffered-memory.ts';
import { ConnectionFault, ErrorCode, FRAME_HEADER_BYTES, PREFACE } from './protocol.ts';

export interface FrameSink {
  /** The payload is `bytes[start, end)`, never written to again. */
  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  #prefaceSeen = 0;
  /** A cut frame: first room for its header, then for the whole; #heldBytes of it have arrived. */
  #hold: Buffer | undefined;
  #heldBytes = 0;

  constructor(sink: FrameSink, maxFrameBytes: number) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  push(chunk: Buffer): void {
    const length = chunk.length;
    let at = this.#prefaceSeen < PREFACE.length ? this.#skipPreface(chunk) : 0;
    while (this.#hold !== undefined && at < length) {
      at = this.#fill(this.#hold, chunk, at);
    }
    while (length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + this.#payloadBytes(chunk, at);
      if (end > length) {
        break;
      }
      this.#emit(chunk, at, end);
      at = end;
    }
    if (at < length) {
      this.#startHold(chunk, at);
    }
  }

  #startHold(chunk: Buffer, at: number): void {
    const isHeaderWhole = chunk.length - at >= FRAME_HEADER_BYTES;
    const size = isHeaderWhole ? FRAME_HEADER_BYTES + this.#payloadBytes(chunk, at) : FRAME_HEADER_BYTES;
    this.#hold = bufferedMemory(size);
    this.#heldBytes = chunk.copy(this.#hold, 0, at);
  }

  /** Copies what the held frame still lacks, hands it on once it is whole, and returns where the chunk goes on. */
  #fill(hold: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(hold, this.#heldBytes, at, Math.min(chunk.length, at + hold.length - this.#heldBytes));
    this.#heldBytes += copied;
    if (this.#heldBytes < hold.length) {
      return at + copied;
    }
    const size = FRAME_HEADER_BYTES + this.#payloadBytes(hold, 0);
    if (hold.length < size) {
      const whole = bufferedMemory(size);
      hold.copy(whole);
      this.#hold = whole;
      return at + copied;
    }
    this.#hold = undefined;
    this.#emit(hold, 0, size);
    return at + copied;
  }

  #payloadBytes(bytes: Buffer, at: number): number {
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (length > this.#maxFrameBytes) {
      throw new ConnectionFault(ErrorCode.frameSize, `frame of ${length} bytes, wanted at most ${this.#maxFrameBytes}`);
    }
    return length;
  }

  #emit(bytes: Buffer, at: number, end: number): void {
    const id =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    this.#sink.frame(bytes[at + 3] as number, bytes[at + 4] as number, id, bytes, at + FRAME_HEADER_BYTES, end);
  }

  /** How many bytes of the chunk belong to the preface. */
  #skipPreface(chunk: Buffer): number {
    const wanted = Math.min(PREFACE.length - this.#prefaceSeen, chunk.length);
    if (PREFACE.compare(chunk, 0, wanted, this.#prefaceSeen, this.#prefaceSeen + wanted) !== 0) {
      throw new ConnectionFault(ErrorCode.protocol, 'connection preface not valid, wanted HTTP/2 with prior knowledge');
    }
    this.#prefaceSeen += wanted;
    return wanted;
  }
}
