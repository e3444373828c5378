/**
 * Tests that the messages do not depend on how DATA is split into frames, and that memory grows only with received
 * bytes.
 */
import { gzipSync } from 'node:zlib';
import { message } from '../../../../test/support/http2/frames.ts';
import { Status, StatusError } from '../../status.ts';
import { CompressedMessage, type RequestMessage } from '../../transport/request-message.ts';
import { MessageReader } from './message-reader.ts';

const RULES = { maxBytes: 100_000, encoding: 'identity' };

function read(chunks: readonly Buffer[], rules = RULES): { messages: RequestMessage[]; reader: MessageReader } {
  const reader = new MessageReader(rules);
  const messages: RequestMessage[] = [];
  for (const chunk of chunks) {
    // DATA usually has other bytes of the chunk before and after it.
    const bytes = Buffer.concat([Buffer.from('before'), chunk, Buffer.from('behind')]);
    reader.push(bytes, 6, 6 + chunk.length);
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      if (next instanceof StatusError) {
        throw next;
      }
      messages.push(next);
    }
    bytes.fill(0xee);
  }
  return { messages, reader };
}

function statusOf(bytes: Buffer, rules = RULES): number {
  try {
    read([bytes], rules);
  } catch (error) {
    if (error instanceof StatusError) {
      return error.code;
    }
    throw error;
  }
  return Status.OK;
}

const MESSAGES = [Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(9_000, 3), Buffer.alloc(0), Buffer.from('last')];
const BYTES = Buffer.concat(MESSAGES.map((each) => message(each)));

test.each([1, 2, 4, 5, 6, 7, 1_000, 4_096, 100_000])(
  'returns the same messages from chunks of %i bytes, each in its own memory',
  (size) => {
    const chunks: Buffer[] = [];
    for (let at = 0; at < BYTES.length; at += size) {
      chunks.push(BYTES.subarray(at, at + size));
    }
    const { messages, reader } = read(chunks);
    expect(messages).toEqual(MESSAGES);
    expect(reader.isInsideMessage).toBe(false);
  },
);

test('reports whether the input ends inside a message', () => {
  expect(read([]).reader.isInsideMessage).toBe(false);
  expect(read([Buffer.from([0])]).reader.isInsideMessage).toBe(true);
  expect(read([BYTES.subarray(0, 5 + 6 + 100)]).reader.isInsideMessage).toBe(true);
});

test('rejects a message above the limit by its prefix, and accepts one at the limit', () => {
  expect(statusOf(message(Buffer.alloc(0), RULES.maxBytes + 1))).toBe(Status.RESOURCE_EXHAUSTED);
  expect(statusOf(message(Buffer.alloc(0), 0xffff_ffff))).toBe(Status.RESOURCE_EXHAUSTED);
  expect(read([message(Buffer.alloc(RULES.maxBytes, 1))]).messages.map(({ length }) => length)).toEqual([
    RULES.maxBytes,
  ]);
});

test('keeps a message compressed, and rejects a flag that contradicts the grpc-encoding', () => {
  const compressed = message(gzipSync('packed'));
  compressed.writeUInt8(1);
  expect(statusOf(compressed)).toBe(Status.INTERNAL);
  expect(statusOf(compressed, { maxBytes: 100, encoding: 'zstd' })).toBe(Status.UNIMPLEMENTED);
  const { messages } = read([compressed.subarray(0, 9), compressed.subarray(9)], { maxBytes: 100, encoding: 'gzip' });
  expect(
    messages.map(
      (each) =>
        each instanceof CompressedMessage && String(each.decompress({ isOver: () => false, onOver: () => undefined })),
    ),
  ).toEqual(['packed']);
  compressed.writeUInt8(2);
  expect(statusOf(compressed)).toBe(Status.INTERNAL);
});

test('allocates no memory for an announced length before its bytes arrive', () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 2_000 }, () => {
    const reader = new MessageReader({ maxBytes: 4 * 1024 * 1024, encoding: 'identity' });
    const bytes = message(Buffer.from('x'), 4 * 1024 * 1024);
    reader.push(bytes, 0, bytes.length);
    expect(reader.next()).toBeUndefined();
    return reader;
  });
  expect(readers.every((reader) => reader.isInsideMessage)).toBe(true);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000 * 1024);
});

test('shares one buffer between empty messages, because a few bytes can contain thousands', () => {
  const { messages } = read([message(Buffer.alloc(0)), message(Buffer.alloc(0))]);
  expect(messages.map(({ length }) => length)).toEqual([0, 0]);
  expect(messages[0]).toBe(messages[1]);
});
