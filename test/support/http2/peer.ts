/**
 * An HTTP/2 client on a bare socket: it writes any bytes, keeps the frames that come back, and waits with a deadline.
 *
 * It does nothing by itself: no acknowledgement, no window, no answer to a PING. Payloads of DATA are counted and kept up to a
 * bound, so that a test may ask for more than it can hold. How a connection ended is a value; nothing rejects but a wait.
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

/** A GOAWAY with its error by name. */
export interface PeerGoaway {
  readonly lastStreamId: number;
  readonly error: string;
  readonly text: string;
}

export interface PeerEnd {
  /** The last GOAWAY, if any came. */
  readonly goaway: PeerGoaway | undefined;
  readonly isClosed: boolean;
}

const MAX_FRAMES_KEPT = 20_000;
const MAX_DATA_BYTES_KEPT = 1024 * 1024;
const WAIT_MS = 20_000;

export class Http2Peer {
  readonly socket: Socket;
  /** The first frames that came, at most MAX_FRAMES_KEPT. */
  readonly frames: PeerFrame[] = [];
  /** How many frames came, by type. */
  readonly counts = new Map<number, number>();
  /** Streams that the server reset, with its reason by name. */
  readonly resets = new Map<number, string>();
  goaway: PeerGoaway | undefined;
  isClosed = false;
  /** True once the server ended its side. */
  hasEnded = false;
  receivedBytes = 0;
  dataBytes = 0;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #wantedBytes = HEADER_BYTES;

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

  /** Connects to a port or the path of a socket and, unless told otherwise, sends the preface and SETTINGS. */
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

  /** Whether it is of use to send more. */
  get isOpen(): boolean {
    return !this.isClosed && !this.hasEnded && this.#fatalGoaway() === undefined;
  }

  /** Sends, and gives the answers a turn to arrive. Resolves with `isOpen`. */
  async send(...parts: readonly Buffer[]): Promise<boolean> {
    if (this.isClosed || this.socket.destroyed) {
      return false;
    }
    this.socket.write(Buffer.concat(parts));
    await new Promise((resolve) => setImmediate(resolve));
    return this.isOpen;
  }

  /** As `send`, and waits until the kernel has taken all of it or the connection is over. */
  async sendAll(...parts: readonly Buffer[]): Promise<boolean> {
    await this.send(...parts);
    await waitFor('the bytes on their way', () => this.socket.writableLength === 0 || !this.isOpen, WAIT_MS);
    return this.isOpen;
  }

  count(type: number): number {
    return this.counts.get(type) ?? 0;
  }

  /** Waits for the server to send GOAWAY with an error or to close, and says which. */
  async end(timeoutMs = WAIT_MS): Promise<PeerEnd> {
    await waitFor('the end of the connection', () => !this.isOpen, timeoutMs);
    return { goaway: this.#fatalGoaway(), isClosed: this.isClosed || this.hasEnded };
  }

  async closed(timeoutMs = WAIT_MS): Promise<void> {
    await waitFor('the connection closed', () => this.isClosed || this.hasEnded, timeoutMs);
  }

  /** Waits for a frame that came already or will. */
  async frame(what: string, isIt: (frame: PeerFrame) => boolean, timeoutMs = WAIT_MS): Promise<PeerFrame> {
    return await waitFor(what, () => this.frames.find(isIt), timeoutMs);
  }

  /** Waits until all that was sent before has been read, by the answer to a PING of its own, or the end. */
  async roundTrip(timeoutMs = WAIT_MS): Promise<void> {
    const before = this.count(FrameType.ping);
    await this.send(Buffer.from([0, 0, 8, FrameType.ping, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]));
    await waitFor('the answer to a PING', () => this.count(FrameType.ping) > before || !this.isOpen, timeoutMs);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The GOAWAY of an error; one of a drain does not end a connection. */
  #fatalGoaway(): PeerGoaway | undefined {
    return this.goaway?.error === 'noError' ? undefined : this.goaway;
  }

  #take(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
    if (this.#restBytes < this.#wantedBytes) {
      return;
    }
    const bytes = Buffer.concat(this.#rest);
    let at = 0;
    this.#wantedBytes = HEADER_BYTES;
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) {
        this.#wantedBytes = end - at;
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
