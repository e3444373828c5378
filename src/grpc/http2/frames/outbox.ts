/**
 * Gathers what a connection sends during one turn of the event loop into one buffer and one write.
 *
 * Buffers come from a small pool and go back to it when the kernel took all bytes during the write (`writableLength` is 0
 * right after it; outbox.test.ts pins that of Node). An idle connection has none.
 */
import type { Socket } from 'node:net';
import { bufferedCopy } from '../../transport/buffered-memory.ts';
import type { ConnectionBudget } from '../limits/global-budget.ts';
import { putFrameHeader } from './frame-writer.ts';
import { FRAME_HEADER_BYTES } from './protocol.ts';

export const OUTBOX_BUFFER_BYTES = 64 * 1024;
const MAX_POOL = 32;

const pool: Buffer[] = [];
/** The outboxes that have something to send after this turn. */
const due: Outbox[] = [];

function flushDue(): void {
  // One that fills while we flush asks for the next turn.
  for (const outbox of due.splice(0)) {
    outbox.flush();
  }
}

export class Outbox {
  readonly #socket: Socket;
  readonly #maxUnsentBytes: number;
  readonly #budget: ConnectionBudget;
  /** What the socket had buffered when we last checked. */
  #unsentBytes = 0;
  #buffer: Buffer | undefined;
  #length = 0;
  #isDue = false;

  constructor(socket: Socket, options: { maxUnsentBytes: number; budget: ConnectionBudget }) {
    this.#socket = socket;
    this.#maxUnsentBytes = options.maxUnsentBytes;
    this.#budget = options.budget;
  }

  /** True while the peer takes its answers too slowly. */
  get isCongested(): boolean {
    return this.#socket.writableLength > this.#maxUnsentBytes;
  }

  /** Room for `bytes` (at most one buffer) that ends at `end`; the caller fills all of it at once. */
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

  /** Where the bytes that were reserved last end. */
  get end(): number {
    return this.#length;
  }

  /** A whole frame; its payload is at most MAX_FRAME_BYTES. */
  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    const bytes = FRAME_HEADER_BYTES + payload.length;
    const buffer = this.reserve(bytes);
    buffer.set(payload, putFrameHeader(buffer, this.#length - bytes, payload.length, type, flags, id));
  }

  /** A frame whose payload is one number of 32 bits. */
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
    // Bytes that stay in the socket would keep the whole buffer alive, so they get memory of their own.
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

  /** The socket took bytes, or is gone: counts what it still has buffered. */
  noteUnsent(): void {
    const unsentBytes = this.#socket.destroyed ? 0 : this.#socket.writableLength;
    this.#budget.add(unsentBytes - this.#unsentBytes);
    this.#unsentBytes = unsentBytes;
  }
}
