/**
 * Simulates a socket in memory, with the members that a connection uses. The socket records written bytes, and the test
 * acts as the peer.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

export class MemorySocket extends EventEmitter {
  readonly written: Buffer[] = [];
  bytesWritten = 0;
  /** Bytes that the peer has not read. */
  writableLength = 0;
  destroyed = false;
  hasEnded = false;
  /** True while the peer reads nothing. */
  isStuck = false;
  #isPaused = false;
  readonly #unsent: Buffer[] = [];
  /** Bytes that the peer has sent and the connection has not read, because the socket is paused. */
  readonly #unread: Buffer[] = [];

  get writable(): boolean {
    return !this.destroyed && !this.hasEnded;
  }

  /** Returns the socket with the type that the connection expects. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }

  write(bytes: Buffer): boolean {
    if (!this.writable) {
      throw new Error('cannot write: the socket has ended');
    }
    // The bytes are copied, because a pooled buffer may be overwritten once the socket has sent it.
    const copy = Buffer.from(bytes);
    this.bytesWritten += copy.length;
    this.written.push(copy);
    if (this.isStuck) {
      this.writableLength += copy.length;
      this.#unsent.push(bytes);
    }
    return !this.isStuck;
  }

  /** Returns whether the unread bytes are unchanged since they were written. */
  bufferedIsIntact(): boolean {
    const last = this.written.slice(this.written.length - this.#unsent.length);
    return this.#unsent.every((bytes, index) => bytes.equals(last[index] ?? Buffer.alloc(0)));
  }

  /**
   * Returns the size of the buffers that unread bytes keep alive. The unread bytes may be a small part of these
   * buffers.
   */
  bufferedMemoryBytes(): number {
    const buffers = new Set(this.#unsent.map((bytes) => bytes.buffer));
    return [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  }

  /** Lets the peer read some bytes. */
  take(bytes: number): void {
    if (bytes < this.writableLength) {
      this.writableLength -= bytes;
    } else {
      this.unstick();
    }
  }

  /** Lets the peer read all bytes. */
  unstick(): void {
    this.isStuck = false;
    this.#unsent.length = 0;
    const hadWaited = this.writableLength > 0;
    this.writableLength = 0;
    if (hadWaited && !this.destroyed) {
      this.emit('drain');
    }
  }

  /** Delivers bytes from the peer to the connection. */
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
    // Emits data only after this method has returned, as a real socket does.
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
