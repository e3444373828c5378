/**
 * Reads gRPC responses on a raw connection: the status of a call and its messages.
 *
 * The module decodes only literals without Huffman encoding and some entries of the static table, because the server
 * sends nothing else. The module throws for any other encoding.
 */

import { waitFor } from '../wait.ts';
import { FrameFlag, FrameType } from './frames.ts';
import type { Http2Peer } from './peer.ts';

export interface PeerAnswer {
  /** HTTP status in the first HEADERS frame: `200`, `415`, and so on. */
  readonly httpStatus: string;
  /** Value of grpc-status; -1 if the response has no such field. */
  readonly grpcStatus: number;
  readonly grpcMessage: string;
  readonly body: Buffer;
  /** Name of the error code with which the server reset the stream. */
  readonly reset: string | undefined;
}

/** Names in the static table that a response may use, by index. */
const STATIC_NAMES: Readonly<Record<number, string>> = { 8: ':status', 28: 'content-length', 31: 'content-type' };
/** Fields in the static table that a response may use, by index. */
const STATIC_FIELDS: Readonly<Record<number, [string, string]>> = { 8: [':status', '200'], 13: [':status', '404'] };

/** Waits until a stream ends with END_STREAM or a reset, or the connection ends. */
export async function answerOf(peer: Http2Peer, streamId: number, timeoutMs = 10_000): Promise<PeerAnswer> {
  function isOver(): boolean {
    const last = peer.frames.find((each) => each.streamId === streamId && isLast(each));
    return last !== undefined || peer.resets.has(streamId) || !peer.isOpen;
  }
  await waitFor(`a response on stream ${streamId}`, isOver, timeoutMs);
  const frames = peer.frames.filter((each) => each.streamId === streamId);
  const fields = new Map<string, string>();
  for (const each of frames.filter(({ type }) => type === FrameType.headers)) {
    for (const [name, value] of readBlock(each.payload)) {
      fields.set(name, value);
    }
  }
  return {
    httpStatus: fields.get(':status') ?? '',
    grpcStatus: Number(fields.get('grpc-status') ?? -1),
    grpcMessage: fields.get('grpc-message') ?? '',
    body: Buffer.concat(frames.filter(({ type }) => type === FrameType.data).map(({ payload }) => payload)),
    reset: peer.resets.get(streamId),
  };
}

/** Returns whether a frame ends its stream. */
function isLast(each: { type: number; flags: number }): boolean {
  const carriesEnd = each.type === FrameType.headers || each.type === FrameType.data;
  return carriesEnd && (each.flags & FrameFlag.endStream) !== 0;
}

/** Decodes the fields of a header block. */
export function readBlock(block: Buffer): [string, string][] {
  const fields: [string, string][] = [];
  let at = 0;

  function readInteger(prefixBits: number): number {
    const maxPrefix = 2 ** prefixBits - 1;
    let value = block.readUInt8(at) & maxPrefix;
    at += 1;
    if (value < maxPrefix) {
      return value;
    }
    for (let scale = 1; ; scale *= 128) {
      const byte = block.readUInt8(at);
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) {
        return value;
      }
    }
  }

  function readText(): string {
    if (block.readUInt8(at) >= 0x80) {
      throw new Error('cannot read a header block: it contains a Huffman string');
    }
    const length = readInteger(7);
    at += length;
    return block.toString('latin1', at - length, at);
  }

  while (at < block.length) {
    const first = block.readUInt8(at);
    if (first >= 0x80) {
      const index = readInteger(7);
      fields.push(found(STATIC_FIELDS[index], index));
    } else if (first >= 0x20 && first < 0x40) {
      readInteger(5);
    } else {
      const index = readInteger(first >= 0x40 ? 6 : 4);
      const name = index === 0 ? readText() : found(STATIC_NAMES[index], index);
      fields.push([name, readText()]);
    }
  }
  return fields;
}

function found<Value>(value: Value | undefined, index: number): Value {
  if (value === undefined) {
    throw new Error(`cannot read a header block: index ${index} is not one that responses use`);
  }
  return value;
}
