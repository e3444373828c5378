/**
 * Tests the guarantees of the writer: finished messages stay unchanged, lengths of every size are correct, and numbers
 * are clamped at their bounds.
 */
import fc from 'fast-check';
import { WireReader } from './reader.ts';
import { WireWriter } from './writer.ts';

const reader = new WireReader();
const SLAB_BYTES = 8 * 1024;

function written(write: (writer: WireWriter) => void, writer: WireWriter = new WireWriter()): Buffer {
  writer.start();
  write(writer);
  return writer.finish();
}

test('never changes a finished message, whether small, large or across slabs', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 100, max: 5_000 }),
    fc.integer({ min: SLAB_BYTES / 2 - 50, max: SLAB_BYTES + 50 }),
    fc.integer({ min: 20_000, max: 70_000 }),
  );
  fc.assert(
    fc.property(fc.array(fc.array(sizes, { maxLength: 5 }), { maxLength: 30 }), (messages) => {
      const writer = new WireWriter();
      const answers = messages.map((parts, index) =>
        written((each) => {
          const outer = each.open(10);
          for (const size of parts) {
            each.bytes(10, Buffer.alloc(size, index));
          }
          each.close(outer);
          each.int32(16, index);
        }, writer),
      );
      for (const [index, answer] of answers.entries()) {
        reader.start(answer);
        expect(reader.tag()).toBe(10);
        const outerEnd = reader.enter('field');
        for (const size of messages[index] ?? []) {
          expect(reader.tag()).toBe(10);
          expect(reader.bytes().equals(Buffer.alloc(size, index))).toBe(true);
        }
        expect(reader.hasMore()).toBe(false);
        reader.leave(outerEnd);
        expect([reader.tag(), reader.int32(), reader.hasMore()]).toEqual([16, index, false]);
      }
    }),
    { numRuns: 60 },
  );
});

test('keeps nothing of a message whose encoder threw', () => {
  const writer = new WireWriter();
  writer.start();
  writer.open(10);
  writer.string(10, 'never finished');
  expect(written((each) => each.int32(8, 1), writer)).toEqual(Buffer.from([8, 1]));
});

test('small messages share a slab, and a large one has its own buffer without using the slab', () => {
  const writer = new WireWriter();
  const first = written((each) => each.int32(8, 1), writer);
  const large = written((each) => each.bytes(10, Buffer.alloc(SLAB_BYTES * 4)), writer);
  const second = written((each) => each.int32(8, 2), writer);
  expect(second.buffer).toBe(first.buffer);
  expect(second.byteOffset).toBe(first.byteOffset + first.length);
  expect(large.buffer).not.toBe(first.buffer);
  expect(first.buffer.byteLength).toBe(SLAB_BYTES);
  expect(large.buffer.byteLength).toBeLessThan(SLAB_BYTES * 4 + 1_024);
});

test.each([0, 1, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_151, 2_097_152])(
  'encodes the length of a nested message of %i bytes',
  (size) => {
    const filler = Buffer.alloc(size, 7);
    const bytes = written((writer) => {
      const outer = writer.open(10);
      const inner = writer.open(18);
      for (let at = 0; at < size; at += 1_000) {
        // Fills the message with one-byte packed numbers.
        for (const value of filler.subarray(at, at + 1_000)) {
          writer.packedInt32(value);
        }
      }
      writer.close(inner);
      writer.close(outer);
    });
    reader.start(bytes);
    expect(reader.tag()).toBe(10);
    reader.enter('field');
    expect(reader.tag()).toBe(18);
    expect(reader.bytes().equals(filler)).toBe(true);
    expect(reader.hasMore()).toBe(false);
  },
);

test('moves a message to a larger buffer when closing nested messages exceeds the slab', () => {
  const depth = 20;
  for (let size = SLAB_BYTES - 120; size < SLAB_BYTES - 40; size += 1) {
    const writer = new WireWriter();
    written((each) => each.int32(8, 1), writer);
    const bytes = written((each) => {
      const opened = Array.from({ length: depth }, () => each.open(10));
      each.bytes(10, Buffer.alloc(size, 7));
      for (const mark of opened.toReversed()) {
        each.close(mark);
      }
    }, writer);
    reader.start(bytes);
    for (let level = 0; level < depth; level += 1) {
      expect(reader.tag()).toBe(10);
      reader.enter('field');
    }
    expect(reader.tag()).toBe(10);
    expect(reader.bytes().equals(Buffer.alloc(size, 7))).toBe(true);
    expect(reader.hasMore()).toBe(false);
  }
});

test('encodes text of any length and script, and a lone surrogate as U+FFFD', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 150, size: 'max' }),
    fc.string({ unit: 'binary', maxLength: 150, size: 'max' }),
    fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 150, size: 'max' })
      .map((units) => String.fromCharCode(...units)),
  );
  fc.assert(
    fc.property(text, (value) => {
      const content = Buffer.from(value);
      const length = content.length < 128 ? [content.length] : [(content.length & 0x7f) | 0x80, content.length >> 7];
      const expected = Buffer.concat([Buffer.from([10, ...length]), content]);
      expect(written((writer) => writer.string(10, value)).equals(expected)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(written((writer) => writer.string(10, '\u{D800}'))).toEqual(Buffer.from([10, 3, 0xef, 0xbf, 0xbd]));
});

test('truncates 64-bit numbers to integers, clamps them at their bounds, and encodes NaN as 0', () => {
  function sent(value: number | string | { low: number; high: number }): bigint {
    const bytes = written((writer) => writer.int64(8, value));
    expect(bytes[0]).toBe(8);
    let result = 0n;
    for (const [index, byte] of bytes.subarray(1).entries()) {
      result |= BigInt(byte & 0x7f) << BigInt(7 * index);
    }
    return BigInt.asIntN(64, result);
  }

  fc.assert(fc.property(fc.maxSafeInteger(), (value) => expect(sent(value)).toBe(BigInt(value))));
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const halves = { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) };
      expect([sent(String(value)), sent(halves)]).toEqual([value, value]);
    }),
  );
  const cases: readonly (readonly [number, bigint])[] = [
    [Number.NaN, 0n],
    [-0, 0n],
    [1.9, 1n],
    [-1.9, -1n],
    [2 ** 32, 2n ** 32n],
    [-(2 ** 32) - 0.5, -(2n ** 32n)],
    [2 ** 62, 2n ** 62n],
    [2 ** 63, 2n ** 63n - 1n],
    [Number.POSITIVE_INFINITY, 2n ** 63n - 1n],
    [-(2 ** 63), -(2n ** 63n)],
    [Number.NEGATIVE_INFINITY, -(2n ** 63n)],
  ];
  for (const [value, expected] of cases) {
    expect([value, sent(value)]).toEqual([value, expected]);
  }
});

test('encodes an enum by its number or name, and an unknown name as 0', () => {
  const numbers = { NONE: 0, SOME: 300 };
  function sent(value: number | string): Buffer {
    return written((writer) => writer.enumeration(8, value, numbers));
  }
  expect([sent('SOME'), sent(300)]).toEqual([Buffer.from([8, 0xac, 2]), Buffer.from([8, 0xac, 2])]);
  expect([sent('OTHER'), sent('NONE')]).toEqual([Buffer.from([8, 0]), Buffer.from([8, 0])]);
  expect(sent(-1)).toEqual(Buffer.from([8, ...Array(9).fill(0xff), 1]));
});

test('decodes a string value of a bytes field as base64', () => {
  expect(written((writer) => writer.bytes(10, 'aGk='))).toEqual(Buffer.from([10, 2, 0x68, 0x69]));
});
