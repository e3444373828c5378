/**
 * Collects the frames that a connection sends in one turn of the event loop, and sends them with one write.
 *
 * The outboxes of all connections share a small pool of buffers. After a write, the outbox returns its buffer to the
 * pool at once if the kernel has accepted all bytes. In this case `writableLength` is 0 right after the write;
 * outbox.test.ts tests this behavior of Node. An idle connection has no buffer.
 */
import type { Socket } from 'node:net';
import { bufferedCopy } from '../../transport/buffered-memory.ts';
import type { ConnectionBudget } from '../limits/global-budget.ts';
import { putFrameHeader } from './frame-writer.ts';
import { FRAME_HEADER_BYTES } from './protocol.ts';

export const OUTBOX_BUFFER_BYTES = 64 * 1024;
const MAX_POOL = 32;

const pool: Buffer[] = [];
/** Outboxes to flush at the end of this turn. */
const due: Outbox[] = [];

function flushDue(): void {
  // An outbox that receives frames during this loop is flushed in the next turn.
  for (const outbox of due.splice(0)) {
    outbox.flush();
  }
}

export class Outbox {
  readonly #socket: Socket;
  readonly #maxUnsentBytes: number;
  readonly #budget: ConnectionBudget;
  /** Bytes that the socket had buffered at the last check. */
  #unsentBytes = 0;
  #buffer: Buffer | undefined;
  #length = 0;
  #isDue = false;

  constructor(socket: Socket, options: { maxUnsentBytes: number; budget: ConnectionBudget }) {
    this.#socket = socket;
    this.#maxUnsentBytes = options.maxUnsentBytes;
    this.#budget = options.budget;
  }

  /** True while the socket buffers more than `maxUnsentBytes`, because the peer reads too slowly. */
  get isCongested(): boolean {
    return this.#socket.writableLength > this.#maxUnsentBytes;
  }

  /**
   * Reserves space for the given number of bytes, at most OUTBOX_BUFFER_BYTES, and returns the buffer that contains the
   * space. The space ends at `end`, and the caller must fill all of it immediately.
   */
  reserve(bytes: number): Buffer {
    let buffer = this.#buffer;
    if (buffer === undefined || this.#length + bytes > OUTBOX_BUFFER_BYTES) {
      this.flush();
      buffer = pool.pop() ?? Buffer.allocUnsafeSlow(OUTBOX_BUFFER_BYTES);
      this.#buffer = buffer;
    }
    if (!this.#isDue) {
      this.#isDue = true;
      if (due.push(this) === 1) {
        setImmediate(flushDue);
      }
    }
    this.#length += bytes;
    return buffer;
  }

  /** End of the last reserved space. */
  get end(): number {
    return this.#length;
  }

  /** Adds a frame, whose payload must be at most MAX_FRAME_BYTES long. */
  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    const bytes = FRAME_HEADER_BYTES + payload.length;
    const buffer = this.reserve(bytes);
    buffer.set(payload, putFrameHeader(buffer, this.#length - bytes, payload.length, type, flags, id));
  }

  /** Adds a frame whose payload is one 32-bit number. */
  numberFrame(type: number, id: number, value: number): void {
    const bytes = FRAME_HEADER_BYTES + 4;
    const buffer = this.reserve(bytes);
    buffer.writeUInt32BE(value, putFrameHeader(buffer, this.#length - bytes, 4, type, 0, id));
  }

  flush(): void {
    this.#isDue = false;
    const buffer = this.#buffer;
    if (buffer === undefined || this.#length === 0) {
      return;
    }
    const bytes = buffer.subarray(0, this.#length);
    this.#buffer = undefined;
    this.#length = 0;
    if (!this.#socket.writable) {
      return;
    }
    // A socket that already buffers bytes also buffers the bytes of this write. These bytes would keep the whole buffer
    // alive, so the outbox copies them.
    const isBackedUp = this.#socket.writableLength !== 0;
    this.#socket.write(isBackedUp ? bufferedCopy(bytes, 0, bytes.length) : bytes);
    const isBuffered = this.#socket.writableLength !== 0;
    if (isBuffered) {
      this.noteUnsent();
    }
    if ((isBackedUp || !isBuffered) && pool.length < MAX_POOL) {
      pool.push(buffer);
    }
  }

  /** Updates the budget with the number of bytes that the socket currently buffers. */
  noteUnsent(): void {
    const unsentBytes = this.#socket.destroyed ? 0 : this.#socket.writableLength;
    this.#budget.add(unsentBytes - this.#unsentBytes);
    this.#unsentBytes = unsentBytes;
  }
}
