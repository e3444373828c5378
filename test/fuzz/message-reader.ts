/**
 * Fuzzes the reader of gRPC messages.
 *
 * Invariants:
 *   1. The messages, and an error after them, do not depend on how DATA is split.
 *   2. The reader throws nothing, and decompression throws nothing but a StatusError.
 *   3. No message is longer than the limit, whether it was compressed or not.
 *   4. No message shares memory with the input.
 */
import { gzipSync } from 'node:zlib';
import { MessageReader } from '../../src/grpc/http2/messages/message-reader.ts';
import { StatusError } from '../../src/grpc/status.ts';
import { CompressedMessage, type RequestMessage } from '../../src/grpc/transport/request-message.ts';
import { message } from '../support/http2/frames.ts';
import type { FastRandom } from '../support/http2/random.ts';
import { cut, mutate } from './mutate.ts';
import { ensure, type FuzzTarget } from './target.ts';

const MAX_BYTES = 6_000;

interface Reading {
  readonly messages: Buffer[];
  refusal: string | undefined;
  isInside: boolean;
  hasCompressed: boolean;
}

export const messageReaderTarget: FuzzTarget = {
  name: 'message-reader',
  share: 16,
  run: (random) => {
    const bytes = input(random);
    const encoding = random.once(3) ? 'gzip' : 'identity';
    const whole = read([bytes], encoding);
    const inPieces = read(cut(bytes, random), encoding);
    const isSame =
      whole.refusal === inPieces.refusal &&
      whole.isInside === inPieces.isInside &&
      whole.messages.length === inPieces.messages.length &&
      whole.messages.every((each, index) => each.equals(inPieces.messages[index] ?? Buffer.from('none')));
    ensure(isSame, 'messages depend on how the input is split', () => ({
      bytes: bytes.toString('hex'),
      whole,
      inPieces,
    }));
    const isBounded = whole.messages.every(({ length }) => length <= MAX_BYTES);
    ensure(isBounded, 'a message is longer than the limit', () => bytes.toString('hex'));
    const again =
      whole.refusal !== undefined ||
      whole.isInside ||
      whole.hasCompressed ||
      Buffer.concat(whole.messages.map((each) => message(each))).equals(bytes);
    ensure(again, 'the messages are not those of the input', () => bytes.toString('hex'));
    return undefined;
  },
};

function input(random: FastRandom): Buffer {
  if (random.once(8)) {
    return random.bytes(random.below(60));
  }
  const messages = Array.from({ length: random.below(5) }, () => {
    const bytes = random.bytes(random.below(random.once(200) ? MAX_BYTES + 2 : 30));
    if (random.once(6)) {
      return compressed(random);
    }
    return random.once(10) ? message(bytes, random.next()) : message(bytes);
  });
  const bytes = Buffer.concat(messages);
  return random.once(2) ? bytes : mutate(bytes, random, 2);
}

/** Returns a compressed message. Some of these messages decompress to more than the limit, and some are damaged. */
function compressed(random: FastRandom): Buffer {
  const bytes = gzipSync(Buffer.alloc(random.below(random.once(4) ? MAX_BYTES * 40 : 500), random.below(256)));
  const whole = message(random.once(4) ? mutate(bytes, random, 2) : bytes);
  whole.writeUInt8(1);
  return whole;
}

function plain(each: RequestMessage): Buffer {
  if (!(each instanceof CompressedMessage)) {
    return each;
  }
  try {
    // With a limit this low, no message is decompressed in another thread.
    return each.decompress({ isOver: () => false, onOver: () => undefined }) as Buffer;
  } catch (error) {
    if (error instanceof StatusError) {
      return Buffer.from(`${error.code} ${error.message}`);
    }
    throw error;
  }
}

/**
 * Reads all messages, and overwrites the input afterwards. A message that is a view of the input would therefore
 * change.
 */
function read(chunks: readonly Buffer[], encoding: string): Reading {
  const reader = new MessageReader({ maxBytes: MAX_BYTES, encoding });
  const reading: Reading = { messages: [], refusal: undefined, isInside: false, hasCompressed: false };
  for (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    reader.push(bytes, 0, bytes.length);
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      if (next instanceof StatusError) {
        reading.refusal = `${next.code} ${next.message}`;
        return reading;
      }
      reading.hasCompressed ||= next instanceof CompressedMessage;
      reading.messages.push(plain(next));
    }
    bytes.fill(0xee);
  }
  reading.isInside = reader.isInsideMessage;
  return reading;
}
