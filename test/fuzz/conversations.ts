/**
 * Creates valid client conversations, which form the corpus for mutations.
 */
import {
  continuation,
  data,
  FrameFlag,
  frame,
  headers,
  Indexing,
  indexed,
  literal,
  message,
  PREFACE,
  ping,
  priority,
  requestBlock,
  resetStream,
  SettingId,
  settings,
  settingsAck,
  tableSizeUpdate,
  windowUpdate,
} from '../support/http2/frames.ts';
import { FastRandom } from '../support/http2/random.ts';

/** A call whose response is known, because nothing else in the conversation affects the call. */
interface ExpectedEcho {
  readonly streamId: number;
  readonly bytes: Buffer;
}

export interface Conversation {
  /** The connection preface, followed by complete frames. */
  readonly frames: readonly Buffer[];
  readonly echoes: readonly ExpectedEcho[];
}

const CORPUS_SIZE = 1_000;
const CORPUS_SEED = 9_113;
const corpus: Conversation[] = [];
const METHODS = ['Echo', 'EchoLater', 'Fail', 'Stream', 'Talk', 'Nothing'];
const NAMES = ['x-request-id', 'user-agent', 'x-data-bin', 'authorization', 'x'];

export function fuzzPath(name: string): string {
  return `/fuzz.Test/${name}`;
}

/** Returns a conversation from a fixed corpus, because creating a conversation takes longer than running it. */
export function conversation(random: FastRandom): Conversation {
  const index = random.below(CORPUS_SIZE);
  let chosen = corpus[index];
  if (chosen === undefined) {
    chosen = makeConversation(new FastRandom(CORPUS_SEED, index));
    corpus[index] = chosen;
  }
  return chosen;
}

/** Creates a conversation of a few calls with other frames between the calls. */
function makeConversation(random: FastRandom): Conversation {
  const frames = [PREFACE, settings(someSettings(random))];
  const echoes: ExpectedEcho[] = [];
  let streamId = 1;
  for (let left = 1 + random.below(8); left > 0; left -= 1) {
    if (random.once(3)) {
      frames.push(between(random, streamId));
    }
    const method = random.once(2) ? 'Echo' : random.pick(METHODS);
    const bytes = random.bytes(random.below(random.once(12) ? 2_000 : 40));
    frames.push(...call(streamId, method, bytes, random));
    if (method === 'Echo' || method === 'EchoLater') {
      echoes.push({ streamId: streamId + 2, bytes });
    }
    streamId += 4 + 2 * random.below(3);
  }
  return { frames, echoes };
}

/** Returns random settings that keep the windows open, so that every call can be completed. */
function someSettings(random: FastRandom): [number, number][] {
  const rows: [number, number][] = [
    [SettingId.headerTableSize, random.pick([0, 100, 4_096, 65_536])],
    [SettingId.enablePush, 0],
    [SettingId.maxConcurrentStreams, random.below(1_000)],
    [SettingId.initialWindowSize, random.pick([65_535, 1_000_000, 0x7fff_ffff])],
    [SettingId.maxFrameSize, random.pick([16_384, 0xff_ffff])],
    [0x99, 7],
  ];
  return rows.filter(() => random.once(2));
}

/** Returns one or more frames that do not affect the calls around them. */
function between(random: FastRandom, streamId: number): Buffer {
  switch (random.below(7)) {
    case 0:
      return ping(random.once(3) ? FrameFlag.ack : 0);
    case 1:
      return settingsAck();
    case 2:
      return settings([[SettingId.headerTableSize, random.below(10_000)]]);
    case 3:
      return windowUpdate(0, 1 + random.below(100_000));
    case 4:
      return priority(streamId, streamId + 2);
    case 5:
      return frame(10 + random.below(200), random.below(256), random.below(20), random.bytes(random.below(20)));
    default: {
      // A cancelled call, which must not affect the other calls.
      const id = streamId;
      return Buffer.concat([
        headers(id, requestBlock(fuzzPath('Talk'))),
        data(id, message(random.bytes(9))),
        resetStream(id),
      ]);
    }
  }
}

function call(streamId: number, method: string, bytes: Buffer, random: FastRandom): Buffer[] {
  // Uses the next stream id, because `between` may have opened and closed `streamId`.
  const id = streamId + 2;
  const block = requestBlock(fuzzPath(method), extraFields(random));
  const withTrailers = random.once(6);
  const end = withTrailers ? 0 : FrameFlag.endStream;
  const frames = [...headerFrames(id, block, random)];
  const body = Buffer.concat(method === 'Talk' ? [message(bytes), message(Buffer.from('more'))] : [message(bytes)]);
  if (random.once(3)) {
    const at = random.below(body.length);
    frames.push(data(id, body.subarray(0, at)), data(id, body.subarray(at), end));
  } else if (random.once(4)) {
    const padding = random.below(30);
    const padded = Buffer.concat([Buffer.from([padding]), body, Buffer.alloc(padding)]);
    frames.push(data(id, padded, end | FrameFlag.padded));
  } else {
    frames.push(data(id, body, end));
  }
  if (withTrailers) {
    frames.push(headers(id, literal('x-checksum', 'abc'), FrameFlag.endHeaders | FrameFlag.endStream));
  }
  return frames;
}

function extraFields(random: FastRandom): Buffer[] {
  const fields: Buffer[] = [];
  for (let left = random.below(5); left > 0; left -= 1) {
    const value = random.bytes(random.below(20)).toString('base64url');
    const indexing = random.pick([Indexing.none, Indexing.never, Indexing.incremental, Indexing.incremental]);
    const field = literal(random.pick(NAMES), value, indexing);
    fields.push(field);
    if (indexing === Indexing.incremental && random.once(2)) {
      // Refers to the newest entry of the dynamic table, which is the field above.
      fields.push(indexed(62));
    }
  }
  if (random.once(4)) {
    fields.push(literal('grpc-timeout', `${1 + random.below(1_000)}S`));
  }
  return fields;
}

function headerFrames(id: number, block: Buffer, random: FastRandom): Buffer[] {
  const whole = random.once(8) ? Buffer.concat([tableSizeUpdate(1_000 + random.below(3_097)), block]) : block;
  switch (random.below(5)) {
    case 0: {
      const at = random.below(whole.length);
      return [headers(id, whole.subarray(0, at), 0), continuation(id, whole.subarray(at), FrameFlag.endHeaders)];
    }
    case 1: {
      const padding = random.below(30);
      const padded = Buffer.concat([Buffer.from([padding]), whole, Buffer.alloc(padding)]);
      return [headers(id, padded, FrameFlag.endHeaders | FrameFlag.padded)];
    }
    case 2: {
      const first = Buffer.concat([Buffer.from([0, 0, 0, 0, 15]), whole]);
      return [headers(id, first, FrameFlag.endHeaders | FrameFlag.priority)];
    }
    default:
      return [headers(id, whole)];
  }
}

/**
 * Mutates a conversation: removes or duplicates frames, moves them to other streams, changes their type or flags, or
 * inserts random frames.
 */
export function mutateFrames(frames: readonly Buffer[], random: FastRandom): Buffer[] {
  const mutated = [...frames];
  for (let rounds = 1 + random.below(3); rounds > 0; rounds -= 1) {
    const at = 1 + random.below(mutated.length);
    const chosen = Buffer.from(mutated[at] ?? Buffer.alloc(9));
    switch (random.below(6)) {
      case 0:
        mutated.splice(at, 1);
        break;
      case 1:
        mutated.splice(1 + random.below(mutated.length), 0, chosen);
        break;
      case 2:
        chosen.writeUInt32BE(random.below(16), 5);
        mutated[at] = chosen;
        break;
      case 3:
        chosen.writeUInt8(random.below(11), 3);
        mutated[at] = chosen;
        break;
      case 4:
        chosen.writeUInt8(random.below(256), 4);
        mutated[at] = chosen;
        break;
      default:
        mutated.splice(
          at,
          0,
          frame(random.below(11), random.below(256), random.below(12), random.bytes(random.below(40))),
        );
    }
  }
  return mutated;
}
