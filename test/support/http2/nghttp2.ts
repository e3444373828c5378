/**
 * Connects the client of node:http2 (nghttp2) to our frame reader and HPACK code, so that each side decodes the output
 * of the other side.
 *
 * The server side only decodes requests, records their fields, and sends the given response blocks.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientSessionOptions, connect } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { ClientPreface } from '../../../src/grpc/http2/frames/client-preface.ts';
import { type Frame, FrameReader } from '../../../src/grpc/http2/frames/frame-reader.ts';
import { HpackDecoder } from '../../../src/grpc/http2/hpack/decoder.ts';
import type { Field } from '../../../src/grpc/http2/hpack/field.ts';
import { waitFor } from '../wait.ts';
import { FrameFlag, FrameType, headers, SettingId, settings, settingsAck, windowUpdate } from './frames.ts';

export type FieldList = readonly (readonly [name: string, value: string])[];

/** Header blocks of a response. */
export interface AnswerBlocks {
  readonly opening: Buffer;
  readonly trailers: Buffer;
}

const MAX_FRAME_BYTES = 16_384;
const MAX_LIST_BYTES = 1_000_000;
const MAX_LIST_FIELDS = 1_000;
const WINDOW_BYTES = 1_000_000_000;

export class Nghttp2Pair {
  readonly client: ClientHttp2Session;
  readonly decoder: HpackDecoder;
  /** Fields of each request, by stream. */
  readonly requests = new Map<number, FieldList>();
  /** First error that occurred while a block was read, if any. */
  failure: unknown;
  readonly #server: Server;
  readonly #socket: Socket;
  readonly #answer: (streamId: number) => AnswerBlocks;
  #parts: Buffer[] = [];

  private constructor(options: {
    server: Server;
    socket: Socket;
    client: ClientHttp2Session;
    tableBytes: number;
    answer: (streamId: number) => AnswerBlocks;
  }) {
    this.#server = options.server;
    this.#socket = options.socket;
    this.client = options.client;
    this.#answer = options.answer;
    this.decoder = new HpackDecoder({
      tableBytes: options.tableBytes,
      maxListBytes: MAX_LIST_BYTES,
      maxListFields: MAX_LIST_FIELDS,
    });
    const preface = new ClientPreface();
    const reader = new FrameReader(MAX_FRAME_BYTES);
    let isPrefaceWhole = false;
    this.#socket.on('error', () => {});
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        let framesStart = 0;
        if (!isPrefaceWhole) {
          isPrefaceWhole = preface.read(chunk) === 'http2';
          framesStart = isPrefaceWhole ? preface.framesStart : chunk.length;
        }
        reader.push(chunk, framesStart);
        while (reader.next()) {
          this.#onFrame(reader.frame);
        }
      } catch (error) {
        this.failure ??= error;
        this.#socket.destroy();
      }
    });
    this.announceTable(options.tableBytes);
    // Enlarges the connection window, because padding counts against that window.
    this.#socket.write(windowUpdate(0, WINDOW_BYTES));
  }

  static async open(options: {
    tableBytes: number;
    answer: (streamId: number) => AnswerBlocks;
    clientOptions?: ClientSessionOptions;
  }): Promise<Nghttp2Pair> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, options.clientOptions ?? {});
    client.on('error', () => {});
    const [socket] = (await accepted) as [Socket];
    const pair = new Nghttp2Pair({ server, socket, client, ...options });
    // The client uses the default table size until it has received our SETTINGS.
    await waitFor(
      'the client to receive SETTINGS_HEADER_TABLE_SIZE',
      () => client.remoteSettings.headerTableSize === options.tableBytes,
    );
    return pair;
  }

  /** Sends SETTINGS_HEADER_TABLE_SIZE, the maximum dynamic table size of the client's encoder. */
  announceTable(tableBytes: number): void {
    this.#socket.write(settings([[SettingId.headerTableSize, tableBytes]]));
  }

  close(): void {
    this.client.destroy();
    this.#socket.destroy();
    this.#server.close();
  }

  #onFrame({ type, flags, streamId, bytes, start, end }: Frame): void {
    if (type === FrameType.settings && (flags & FrameFlag.ack) === 0) {
      this.#socket.write(settingsAck());
    }
    if (type !== FrameType.headers && type !== FrameType.continuation) {
      return;
    }
    this.#parts.push(
      type === FrameType.headers ? fragment(flags, bytes.subarray(start, end)) : bytes.subarray(start, end),
    );
    if ((flags & FrameFlag.endHeaders) !== 0) {
      const block = Buffer.concat(this.#parts);
      this.#parts = [];
      this.#request(streamId, block);
    }
  }

  #request(streamId: number, block: Buffer): void {
    const fields: Field[] = [];
    this.decoder.decode(block, 0, block.length, fields);
    this.requests.set(
      streamId,
      fields.map(({ name, value }) => [name, value]),
    );
    const { opening, trailers } = this.#answer(streamId);
    this.#socket.write(
      Buffer.concat([inFrames(streamId, opening, 0), inFrames(streamId, trailers, FrameFlag.endStream)]),
    );
  }
}

/** Returns the header block fragment of a HEADERS frame: its payload without padding and priority fields. */
function fragment(flags: number, payload: Buffer): Buffer {
  const isPadded = (flags & FrameFlag.padded) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & FrameFlag.priority) !== 0 ? 5 : 0);
  return payload.subarray(start, payload.length - (isPadded ? payload.readUInt8(0) : 0));
}

/** Encodes a block as HEADERS, plus CONTINUATION frames if it is longer than one frame. */
function inFrames(streamId: number, block: Buffer, flags: number): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_BYTES) {
    pieces.push(block.subarray(at, at + MAX_FRAME_BYTES));
  }
  const frames = pieces.map((piece, index) => {
    const end = index === pieces.length - 1 ? FrameFlag.endHeaders : 0;
    const written = headers(streamId, piece, index === 0 ? flags | end : end);
    written.writeUInt8(index === 0 ? FrameType.headers : FrameType.continuation, 3);
    return written;
  });
  return Buffer.concat(frames);
}
