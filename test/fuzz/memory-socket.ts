/**
 * A socket in memory, as much of one as a connection uses: what is written is kept, and the peer's hand is the test's.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

export class MemorySocket extends EventEmitter {
  readonly written: Buffer[] = [];
  bytesWritten = 0;
  /** What a peer that does not read leaves in the socket. */
  writableLength = 0;
  destroyed = false;
  hasEnded = false;
  /** While true the peer takes nothing. */
  isStuck = false;
  #isPaused = false;
  readonly #unsent: Buffer[] = [];
  /** What the peer has sent and nobody has read, as the socket is paused. */
  readonly #unread: Buffer[] = [];

  get writable(): boolean {
    return !this.destroyed && !this.hasEnded;
  }

  /** As the connection sees it. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }

  write(bytes: Buffer): boolean {
    if (!this.writable) {
      throw new Error('cannot write: the socket has ended');
    }
    // A pooled buffer is written over once the socket has taken it.
    const copy = Buffer.from(bytes);
    this.bytesWritten += copy.length;
    this.written.push(copy);
    if (this.isStuck) {
      this.writableLength += copy.length;
      this.#unsent.push(bytes);
    }
    return !this.isStuck;
  }

  /** What the peer has not taken must still be what was written. */
  bufferedIsIntact(): boolean {
    const last = this.written.slice(this.written.length - this.#unsent.length);
    return this.#unsent.every((bytes, index) => bytes.equals(last[index] ?? Buffer.alloc(0)));
  }

  /** Memory that what waits keeps alive: whole buffers, of which it may be a small part. */
  bufferedMemoryBytes(): number {
    const buffers = new Set(this.#unsent.map((bytes) => bytes.buffer));
    return [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  }

  /** The peer takes some of what waits. */
  take(bytes: number): void {
    if (bytes < this.writableLength) {
      this.writableLength -= bytes;
    } else {
      this.unstick();
    }
  }

  /** The peer takes what waits. */
  unstick(): void {
    this.isStuck = false;
    this.#unsent.length = 0;
    const hadWaited = this.writableLength > 0;
    this.writableLength = 0;
    if (hadWaited && !this.destroyed) {
      this.emit('drain');
    }
  }

  /** The peer sends. */
  receive(bytes: Buffer): void {
    this.#unread.push(bytes);
    this.#flow();
  }

  isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    // As a stream does it: not within the call.
    setImmediate(() => this.#flow());
  }

  #flow(): void {
    while (!this.#isPaused && !this.destroyed && this.#unread.length > 0) {
      this.emit('data', this.#unread.shift());
    }
  }

  end(onFinished?: () => void): void {
    this.hasEnded = true;
    if (onFinished !== undefined) {
      setImmediate(onFinished);
    }
  }

  destroy(): void {
    if (!this.destroyed) {
      this.destroyed = true;
      setImmediate(() => this.emit('close'));
    }
  }
}
