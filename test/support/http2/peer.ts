/**
 * HTTP/2 client on a raw socket: it sends arbitrary bytes, records the received frames, and waits with a timeout.
 *
 * The client sends nothing by itself: no acknowledgement of SETTINGS or PING, and no WINDOW_UPDATE. It counts the bytes
 * of all DATA payloads and keeps the payloads up to a limit, so that a test may receive more data than the memory can
 * store. A method rejects only if its wait times out. The end of the connection by itself is not an error.
 */
import { connect, type Socket } from 'node:net';
import { waitFor } from '../wait.ts';
import { FrameType, HEADER_BYTES, Http2Error, PREFACE, settings } from './frames.ts';

export interface PeerFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** A received GOAWAY with the name of its error code. */
export interface PeerGoaway {
  readonly lastStreamId: number;
  readonly error: string;
  readonly text: string;
}

export interface PeerEnd {
  /** Last received GOAWAY if it has an error. */
  readonly goaway: PeerGoaway | undefined;
  readonly isClosed: boolean;
}

const MAX_FRAMES_KEPT = 20_000;
const MAX_DATA_BYTES_KEPT = 1024 * 1024;
const WAIT_MS = 20_000;

export class Http2Peer {
  readonly socket: Socket;
  /** Received frames, up to the first MAX_FRAMES_KEPT. */
  readonly frames: PeerFrame[] = [];
  /** Number of received frames by type. */
  readonly counts = new Map<number, number>();
  /** Names of the error codes of the streams that the server reset. */
  readonly resets = new Map<number, string>();
  goaway: PeerGoaway | undefined;
  isClosed = false;
  /** True once the server has ended its side of the connection. */
  hasEnded = false;
  receivedBytes = 0;
  dataBytes = 0;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #neededBytes = HEADER_BYTES;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => {
      this.hasEnded = true;
    });
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Connects to a port or the path of a socket. Sends the preface and SETTINGS unless `withPreface` is false. */
  static async open(
    where: number | string,
    options: { withPreface?: boolean; settings?: readonly (readonly [number, number])[] } = {},
  ): Promise<Http2Peer> {
    const peer = new Http2Peer(
      connect(typeof where === 'string' ? { path: where } : { port: where, host: '127.0.0.1', noDelay: true }),
    );
    await waitFor('a connection', () => peer.isClosed || !peer.socket.connecting);
    if (options.withPreface !== false) {
      await peer.send(PREFACE, settings(options.settings));
    }
    return peer;
  }

  /** Returns true while the server still accepts frames. */
  get isOpen(): boolean {
    return !this.isClosed && !this.hasEnded && this.#fatalGoaway() === undefined;
  }

  /** Sends bytes and waits one turn of the event loop for responses. Resolves with `isOpen`. */
  async send(...parts: readonly Buffer[]): Promise<boolean> {
    if (this.isClosed || this.socket.destroyed) {
      return false;
    }
    this.socket.write(Buffer.concat(parts));
    await new Promise((resolve) => setImmediate(resolve));
    return this.isOpen;
  }

  /** Sends bytes and waits until the kernel has accepted all of them or the connection has ended. */
  async sendAll(...parts: readonly Buffer[]): Promise<boolean> {
    await this.send(...parts);
    await waitFor('the kernel to accept all bytes', () => this.socket.writableLength === 0 || !this.isOpen, WAIT_MS);
    return this.isOpen;
  }

  count(type: number): number {
    return this.counts.get(type) ?? 0;
  }

  /**
   * Waits until the server sends GOAWAY with an error or closes the connection, and returns which of these has
   * happened.
   */
  async end(timeoutMs = WAIT_MS): Promise<PeerEnd> {
    await waitFor('the end of the connection', () => !this.isOpen, timeoutMs);
    return { goaway: this.#fatalGoaway(), isClosed: this.isClosed || this.hasEnded };
  }

  async closed(timeoutMs = WAIT_MS): Promise<void> {
    await waitFor('the connection to close', () => this.isClosed || this.hasEnded, timeoutMs);
  }

  /** Waits for a matching frame, which may have arrived already. */
  async frame(what: string, isIt: (frame: PeerFrame) => boolean, timeoutMs = WAIT_MS): Promise<PeerFrame> {
    return await waitFor(what, () => this.frames.find(isIt), timeoutMs);
  }

  /**
   * Waits until the server has read everything that the client has sent. To do so, sends a PING and waits for its
   * acknowledgement or the end of the connection.
   */
  async roundTrip(timeoutMs = WAIT_MS): Promise<void> {
    const before = this.count(FrameType.ping);
    await this.send(Buffer.from([0, 0, 8, FrameType.ping, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]));
    await waitFor(
      'the acknowledgement of a PING',
      () => this.count(FrameType.ping) > before || !this.isOpen,
      timeoutMs,
    );
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Returns the last GOAWAY if it has an error. The GOAWAY of a drain does not end the connection. */
  #fatalGoaway(): PeerGoaway | undefined {
    return this.goaway?.error === 'noError' ? undefined : this.goaway;
  }

  #take(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
    if (this.#restBytes < this.#neededBytes) {
      return;
    }
    const bytes = Buffer.concat(this.#rest);
    let at = 0;
    this.#neededBytes = HEADER_BYTES;
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) {
        this.#neededBytes = end - at;
        break;
      }
      this.#note({
        type: bytes.readUInt8(at + 3),
        flags: bytes.readUInt8(at + 4),
        streamId: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
        payload: bytes.subarray(at + HEADER_BYTES, end),
      });
      at = end;
    }
    this.#rest = [bytes.subarray(at)];
    this.#restBytes = bytes.length - at;
  }

  #note(received: PeerFrame): void {
    const { type, streamId, payload } = received;
    this.counts.set(type, this.count(type) + 1);
    if (type === FrameType.rstStream) {
      this.resets.set(streamId, errorName(payload.readUInt32BE(0)));
    }
    if (type === FrameType.goaway) {
      this.goaway = {
        lastStreamId: payload.readUInt32BE(0) & 0x7fff_ffff,
        error: errorName(payload.readUInt32BE(4)),
        text: payload.toString('latin1', 8),
      };
    }
    if (type === FrameType.data) {
      this.dataBytes += payload.length;
    }
    if (this.frames.length < MAX_FRAMES_KEPT) {
      const isKept = type !== FrameType.data || this.dataBytes <= MAX_DATA_BYTES_KEPT;
      this.frames.push({ ...received, payload: isKept ? Buffer.from(payload) : Buffer.alloc(0) });
    }
  }
}

function errorName(code: number): string {
  return Object.entries(Http2Error).find(([, value]) => value === code)?.[0] ?? String(code);
}
