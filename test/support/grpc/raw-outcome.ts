/**
 * Sends a request as raw HTTP/2 frames while another call is open on the same connection, and reports the outcome of
 * the request. The outcome consists of the response, the number of times that a handler was called, and the state of
 * the connection and the other calls.
 */
import { HpackDecoder } from '../../../src/grpc/http2/hpack/decoder.ts';
import type { Field } from '../../../src/grpc/http2/hpack/field.ts';
import { type StatusCode, statusName } from '../../../src/grpc/status.ts';
import { FrameFlag, FrameType, ping, SettingId, settingsAck, unaryCall, windowUpdate } from '../http2/frames.ts';
import { Http2Peer } from '../http2/peer.ts';
import { waitFor } from '../wait.ts';
import { methodPath } from './test-methods.ts';
import type { TransportFixture } from './transport-contract.ts';

/** Stream of the request. OTHER_STREAM and NEXT_STREAM carry the other calls. */
export const ODD_STREAM = 3;
const OTHER_STREAM = 1;
const NEXT_STREAM = 5;
const WINDOW_BYTES = 16 * 1024 * 1024;

export interface RawOutcome {
  /** Kind of outcome: a gRPC status, `HTTP 415`, `RST_STREAM PROTOCOL_ERROR` or `GOAWAY PROTOCOL_ERROR`. */
  readonly verdict: string;
  readonly text: string;
  /** Other fields of the response, except for IGNORED_FIELDS. */
  readonly fields: readonly string[];
  /** Body, or its length if it is large. */
  readonly body: string;
  /** Number of times that a handler was called. */
  readonly handlers: number;
  /**
   * Statuses of the call that was already open and of a call after the request; `0 0` if the server served both calls.
   */
  readonly others: string;
}

/** Fields that differ between the transports, as docs/reference/grpc.md states. */
const IGNORED_FIELDS: ReadonlySet<string> = new Set(['date', 'content-type', 'grpc-encoding']);
const MAX_BODY_SHOWN = 200;

export async function playRaw(fixture: TransportFixture, name: string, frames: readonly Buffer[]): Promise<RawOutcome> {
  const peer = await Http2Peer.open(fixture.port, { settings: [[SettingId.initialWindowSize, WINDOW_BYTES]] });
  try {
    await peer.send(settingsAck(), windowUpdate(0, WINDOW_BYTES));
    const heldName = `held beside ${name}`;
    await peer.send(unaryCall(OTHER_STREAM, methodPath('Hold'), Buffer.from(heldName)));
    const held = await waitFor('the handler of the other call', () => fixture.notebook.held.get(heldName));
    const startedBefore = fixture.notebook.started.length;
    for (const bytes of frames) {
      await peer.sendAll(bytes);
    }
    await waitFor(`a response to ${name}`, () => isOver(peer, ODD_STREAM));
    if (peer.isOpen) {
      await peer.send(ping());
      await waitFor('a PING', () => peer.count(FrameType.ping) > 0 || !peer.isOpen);
    }
    held.release(Buffer.from('held'));
    await peer.send(unaryCall(NEXT_STREAM, methodPath('Echo'), Buffer.from('next')));
    await waitFor('the end of the other calls', () => [OTHER_STREAM, NEXT_STREAM].every((id) => isOver(peer, id)));
    return outcomeOf(peer, fixture.notebook.started.length - startedBefore);
  } finally {
    peer.destroy();
  }
}

function isOver(peer: Http2Peer, streamId: number): boolean {
  const isEnded = peer.frames.some((each) => each.streamId === streamId && endsStream(each));
  return isEnded || peer.resets.has(streamId) || !peer.isOpen;
}

function endsStream({ type, flags }: { type: number; flags: number }): boolean {
  const canEnd = type === FrameType.headers || type === FrameType.data;
  return canEnd && (flags & FrameFlag.endStream) !== 0;
}

function outcomeOf(peer: Http2Peer, handlers: number): RawOutcome {
  const answers = readAnswers(peer);
  const { fields, body } = answers.get(ODD_STREAM) ?? { fields: new Map<string, string>(), body: Buffer.alloc(0) };
  const visible = [...fields].filter(([key]) => !IGNORED_FIELDS.has(key) && !SHOWN_APART.has(key));
  const text = fields.get('grpc-message') ?? (fields.has('grpc-status') ? '' : withoutPrefix(body));
  return {
    verdict: verdictOf(peer, fields),
    text: decodeURIComponent(text),
    fields: visible.map(([key, value]) => `${key}: ${key.endsWith('-bin') ? value.replace(/=+$/, '') : value}`).sort(),
    body: body.length > MAX_BODY_SHOWN ? `${body.length} bytes` : withoutTime(body.toString('latin1')),
    handlers,
    others: [OTHER_STREAM, NEXT_STREAM].map((id) => answers.get(id)?.fields.get('grpc-status') ?? 'lost').join(' '),
  };
}

const SHOWN_APART: ReadonlySet<string> = new Set([':status', 'grpc-status', 'grpc-message']);

/** Removes from a body the remaining time of a call, and the length of the message that contains this time. */
function withoutTime(body: string): string {
  return body.replace(/^\0.{4}(\{"leftMs":)[\d.e+-]+/s, '$1…');
}

function withoutPrefix(body: Buffer): string {
  return body.length > MAX_BODY_SHOWN ? '' : body.toString('latin1');
}

function verdictOf(peer: Http2Peer, fields: ReadonlyMap<string, string>): string {
  const reset = peer.resets.get(ODD_STREAM);
  if (fields.has('grpc-status')) {
    return statusName(Number(fields.get('grpc-status')) as StatusCode);
  }
  if (fields.has(':status')) {
    return `HTTP ${fields.get(':status')}`;
  }
  if (peer.goaway !== undefined && !peer.isOpen) {
    return `GOAWAY ${upperCase(peer.goaway.error)}`;
  }
  return reset === undefined ? 'closed' : `RST_STREAM ${upperCase(reset)}`;
}

/** Converts a name such as `protocolError` to the notation of RFC 9113. */
function upperCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

interface Answer {
  readonly fields: Map<string, string>;
  body: Buffer;
}

/** Returns the received fields and body of each stream. Header blocks are decoded in order, as HPACK requires. */
function readAnswers(peer: Http2Peer): Map<number, Answer> {
  const decoder = new HpackDecoder({ tableBytes: 4_096, maxListBytes: 1_000_000, maxListFields: 1_000 });
  const answers = new Map<number, Answer>();
  for (const { type, streamId, payload } of peer.frames) {
    const answer = answers.get(streamId) ?? { fields: new Map<string, string>(), body: Buffer.alloc(0) };
    if (type === FrameType.headers) {
      const fields: Field[] = [];
      decoder.decode(payload, 0, payload.length, fields);
      for (const field of fields) {
        answer.fields.set(field.name, field.value);
      }
    } else if (type === FrameType.data) {
      answer.body = Buffer.concat([answer.body, payload]);
    }
    answers.set(streamId, answer);
  }
  return answers;
}
