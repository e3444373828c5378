/**
 * Tests the reader with bytes that valid messages of the contract do not contain, such as groups and deep nesting. Also
 * tests the limits of the reader, strings of every length, and the release of messages.
 */
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { Status, StatusError } from '../status.ts';
import { MAX_FIELDS_PER_MESSAGE, setEntry, WireReader } from './reader.ts';

const reader = new WireReader();

function started(...bytes: readonly (number | readonly number[] | Buffer)[]): WireReader {
  reader.start(
    Buffer.concat(bytes.map((each) => (typeof each === 'number' ? Buffer.from([each]) : Buffer.from(each)))),
  );
  return reader;
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
  return Buffer.from([...bytes, Number(rest)]);
}

describe('numbers', () => {
  test('reads 64-bit integers exactly: numbers within 2^53, bigints beyond', () => {
    const edges = [0n, 1n, 2n].flatMap((offset) => [2n ** 53n - offset, 2n ** 53n + offset, 2n ** 63n - 1n - offset]);
    const values = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.constantFrom(...edges, ...edges.map((value) => -value), -(2n ** 63n)),
    );
    fc.assert(
      fc.property(values, (value) => {
        const read = started(varint(value)).int64();
        expect(BigInt(read)).toBe(value);
        expect(typeof read === 'number').toBe(value >= -(2n ** 53n) && value < 2n ** 53n);
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        // The test compares with ===, because toBe distinguishes -0 from 0, and -0 is encoded as 0.
        expect(started(varint(BigInt(value))).int64() === value).toBe(true);
      }),
    );
  });

  test('reads 32-bit integers as the lower 32 bits of the varint', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        expect(started(varint(value)).int32()).toBe(Number(BigInt.asIntN(32, value)));
        expect(started(varint(value)).bool()).toBe(value !== 0n);
      }),
    );
  });

  test('accepts varints that are longer than necessary, up to ten bytes', () => {
    expect(started([0x85, 0x80, 0x80, 0x00]).int64()).toBe(5);
    expect(started(Array(9).fill(0x80), 0x7f).int64()).toBe(-(2n ** 63n));
    expect(() => started(Array(10).fill(0x80), 0).int64()).toThrow('a varint must have at most 10 bytes, got more');
  });

  test('throws for truncated varints', () => {
    for (let length = 0; length < 10; length += 1) {
      expect(() => started(Array(length).fill(0xff)).int64()).toThrow(
        `the field at byte ${length} must be complete, got a truncated field`,
      );
    }
  });
});

describe('text', () => {
  test('decodes text of any length and script like Buffer, and throws for invalid UTF-8', () => {
    const valid = fc.string({ unit: 'binary', maxLength: 60, size: 'max' }).map((text) => Buffer.from(text));
    const ascii = fc.string({ unit: 'binary-ascii', maxLength: 60, size: 'max' }).map((text) => Buffer.from(text));
    const any = fc.uint8Array({ maxLength: 60, size: 'max' }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(ascii, valid, any), (bytes) => {
        started(varint(BigInt(bytes.length)), bytes, 1);
        if (isUtf8(bytes)) {
          expect(reader.string('some_field')).toBe(bytes.toString());
          expect(reader.int32()).toBe(1);
        } else {
          expect(() => reader.string('some_field')).toThrow('some_field must be valid UTF-8');
        }
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['a byte that starts no sequence', [0x61, 0xff]],
    ['Latin-1', [0x6d, 0xfc, 0x6c, 0x6c]],
    ['a truncated sequence', [0xc3]],
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['an invalid byte after a valid U+FFFD', [0xef, 0xbf, 0xbd, 0xff]],
    ['an invalid byte in a long text', [...Array(40).fill(0x61), 0xfe]],
  ])('throws INVALID_ARGUMENT for text with %s, and releases the message', (_, bytes) => {
    expect(() => started(bytes.length, bytes, 1).string('user_id')).toThrow(
      new StatusError(Status.INVALID_ARGUMENT, 'user_id must be valid UTF-8, got invalid bytes'),
    );
    expect(reader.hasMore()).toBe(false);
  });

  test('accepts U+FFFD itself, and a byte order mark', () => {
    expect(started(7, [0xef, 0xbb, 0xbf, 0x61, 0xef, 0xbf, 0xbd]).string('key')).toBe('\u{FEFF}a\u{FFFD}');
  });

  test('names invalid text by its path through nested fields', () => {
    started(3, 2, 1, 0xff, 0);
    reader.enter('checks', 3);
    reader.enter('limits', 12);
    expect(() => reader.string('name')).toThrow('checks[3].limits[12].name must be valid UTF-8');
    // The path of the failed message must not affect the error of the next message.
    started(1, 0xff);
    expect(() => reader.string('key')).toThrow(/^key must be valid UTF-8/);
  });

  test('throws for text, bytes and messages that are longer than their message', () => {
    for (const length of [varint(3n), varint(200n), varint(2n ** 32n), varint(-1n)]) {
      expect(() => started(length, 1, 2).string('field')).toThrow('cannot decode the message');
      expect(() => started(length, 1, 2).bytes()).toThrow('cannot decode the message');
      expect(() => started(length, 1, 2).enter('field')).toThrow('cannot decode the message');
    }
  });
});

test('returns bytes as views of the message', () => {
  const message = Buffer.from([2, 7, 8]);
  reader.start(message);
  const value = reader.bytes();
  message[2] = 9;
  expect(value).toEqual(Buffer.from([7, 9]));
});

test('reads a nested message to its own end and no further', () => {
  started(2, 0x85, 0x01, 7);
  const outerEnd = reader.enter('field');
  expect(reader.int32()).toBe(133);
  expect(reader.hasMore()).toBe(false);
  expect(() => reader.int32()).toThrow('the field at byte 3 must be complete');
  started(2, 5, 6, 7);
  expect([reader.enter('field'), reader.int32(), reader.int32(), reader.hasMore()]).toEqual([4, 5, 6, false]);
  reader.leave(outerEnd);
  expect(reader.int32()).toBe(7);
});

describe('unknown fields', () => {
  test.each([
    ['a number', [0x08, 0xff, 0x01]],
    ['eight bytes', [0x09, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['bytes', [0x0a, 2, 1, 2]],
    ['four bytes', [0x0d, 1, 2, 3, 4]],
    ['a group with all of them and a group', [0x0b, 0x08, 1, 0x0d, 1, 2, 3, 4, 0x13, 0x1a, 1, 0x0c, 0x14, 0x0c]],
  ])('skips %s, and throws if it is truncated', (_, bytes) => {
    started(bytes, 0x10);
    reader.skip(reader.tag());
    expect(reader.tag()).toBe(0x10);
    for (let length = 1; length < bytes.length; length += 1) {
      started(bytes.slice(0, length));
      expect(() => reader.skip(reader.tag())).toThrow('cannot decode the message');
    }
  });

  test.each([
    ['an end group tag outside a group', [0x0c], 'wire type must be 0, 1, 2, 3 or 5, got 4'],
    ['the end of another group', [0x0b, 0x14], 'the end group tag must be of field 1, got field 2'],
    ['wire type 6', [0x0e], 'wire type must be 0, 1, 2, 3 or 5, got 6'],
    ['wire type 7', [0x0f], 'wire type must be 0, 1, 2, 3 or 5, got 7'],
    ['field number 0', [0x02, 0], 'field number must be between 1 and 536870911, got 0'],
    [
      'a field number of 30 bits',
      [0x80, 0x80, 0x80, 0x80, 0x10],
      'field number must be between 1 and 536870911, got more',
    ],
  ])('throws for %s', (_, bytes, text) => {
    started(bytes);
    expect(() => reader.skip(reader.tag())).toThrow(text);
  });

  test('skips groups up to a depth of 100', () => {
    function nested(depth: number): Buffer {
      return Buffer.concat([Buffer.alloc(depth, 0x0b), Buffer.alloc(depth, 0x0c)]);
    }
    started(nested(100));
    reader.skip(reader.tag());
    expect(reader.hasMore()).toBe(false);
    started(nested(101));
    expect(() => reader.skip(reader.tag())).toThrow('nesting must have at most 100 levels, got more');
    // The depth of the failed message must not count against the limit of the next message.
    started(nested(100));
    reader.skip(reader.tag());
    expect(reader.hasMore()).toBe(false);
  });
});

test('limits the depth of nested messages like that of groups', () => {
  started(Buffer.from(Array.from({ length: 102 }, (_, index) => 101 - index)));
  for (let depth = 0; depth < 100; depth += 1) {
    reader.enter('field');
  }
  expect(() => reader.enter('field')).toThrow('nesting must have at most 100 levels');
});

test.each([
  { name: 'fields of a message', bytes: [0x08, 1] },
  { name: 'unknown groups', bytes: [0x0b, 0x0c] },
])('throws a StatusError for too many $name', ({ bytes }) => {
  // A group has two tags: one for its start and one for its end.
  const tags = bytes.filter((byte) => byte > 1).length;
  function readAll(fields: number): void {
    started(Buffer.alloc(fields * bytes.length, Buffer.from(bytes)));
    while (reader.hasMore()) {
      reader.skip(reader.tag());
    }
  }
  readAll(MAX_FIELDS_PER_MESSAGE / tags);
  expect(() => readAll(MAX_FIELDS_PER_MESSAGE / tags + 1)).toThrow(
    new StatusError(
      Status.RESOURCE_EXHAUSTED,
      'cannot read the request: it has more than 65536 fields; send fewer fields',
    ),
  );
  expect(reader.hasMore()).toBe(false);
  // The fields of one message do not count against the limit of the next message.
  readAll(1);
});

test('reads the largest field number', () => {
  expect(started([0xf8, 0xff, 0xff, 0xff, 0x0f]).tag()).toBe(2 ** 32 - 8);
});

test('releases a message that could not be read', () => {
  started(5, 1, 2);
  expect(() => reader.string('field')).toThrow('must be complete');
  expect(reader.hasMore()).toBe(false);
});

test('stores every map key as an own property, including __proto__', () => {
  const map: Record<string, number> = {};
  for (const [index, key] of ['__proto__', 'constructor', 'a', '__proto__'].entries()) {
    setEntry(map, key, index);
  }
  expect(Object.entries(map)).toEqual([
    ['__proto__', 3],
    ['constructor', 1],
    ['a', 2],
  ]);
  expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
});
