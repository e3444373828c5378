/**
 * What the reader makes of bytes that the contract's messages do not bring by themselves: limits, text of every length,
 * groups, depth, and that it lets messages go.
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
  test('of 64 bits are exact: numbers within 2^53, bigints beyond', () => {
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
        // Not toBe: there is one zero on the wire.
        expect(started(varint(BigInt(value))).int64() === value).toBe(true);
      }),
    );
  });

  test('of 32 bits are the lower half of what came', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        expect(started(varint(value)).int32()).toBe(Number(BigInt.asIntN(32, value)));
        expect(started(varint(value)).bool()).toBe(value !== 0n);
      }),
    );
  });

  test('may be longer than they need be, to ten bytes', () => {
    expect(started([0x85, 0x80, 0x80, 0x00]).int64()).toBe(5);
    expect(started(Array(9).fill(0x80), 0x7f).int64()).toBe(-(2n ** 63n));
    expect(() => started(Array(10).fill(0x80), 0).int64()).toThrow(
      'a number of more than ten bytes, wanted ten at most',
    );
  });

  test('that are cut off throw', () => {
    for (let length = 0; length < 10; length += 1) {
      expect(() => started(Array(length).fill(0xff)).int64()).toThrow(
        `byte ${length} is cut off, wanted the whole field`,
      );
    }
  });
});

describe('text', () => {
  test('of any length and script is read as Buffer reads it, and throws where it is not valid UTF-8', () => {
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
    ['a byte that begins nothing', [0x61, 0xff]],
    ['Latin-1', [0x6d, 0xfc, 0x6c, 0x6c]],
    ['a sequence that is cut off', [0xc3]],
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['an invalid byte after a valid U+FFFD', [0xef, 0xbf, 0xbd, 0xff]],
    ['an invalid byte in a long text', [...Array(40).fill(0x61), 0xfe]],
  ])('with %s is INVALID_ARGUMENT and leaves nothing to read', (_, bytes) => {
    expect(() => started(bytes.length, bytes, 1).string('user_id')).toThrow(
      new StatusError(
        Status.INVALID_ARGUMENT,
        'cannot read the request: user_id must be valid UTF-8, got bytes that are not',
      ),
    );
    expect(reader.hasMore()).toBe(false);
  });

  test('that holds U+FFFD itself is valid, as is a byte order mark', () => {
    expect(started(7, [0xef, 0xbb, 0xbf, 0x61, 0xef, 0xbf, 0xbd]).string('key')).toBe('\u{FEFF}a\u{FFFD}');
  });

  test('that is invalid is named by its path through nested fields', () => {
    started(3, 2, 1, 0xff, 0);
    reader.enter('checks', 3);
    reader.enter('limits', 12);
    expect(() => reader.string('name')).toThrow('checks[3].limits[12].name must be valid UTF-8');
    // The path of what failed is not that of the next message.
    started(1, 0xff);
    expect(() => reader.string('key')).toThrow('cannot read the request: key must be');
  });

  test('and bytes that are longer than the message throw', () => {
    for (const length of [varint(3n), varint(200n), varint(2n ** 32n), varint(-1n)]) {
      expect(() => started(length, 1, 2).string('field')).toThrow('cannot decode the message');
      expect(() => started(length, 1, 2).bytes()).toThrow('cannot decode the message');
      expect(() => started(length, 1, 2).enter('field')).toThrow('cannot decode the message');
    }
  });
});

test('bytes are views of the message', () => {
  const message = Buffer.from([2, 7, 8]);
  reader.start(message);
  const value = reader.bytes();
  message[2] = 9;
  expect(value).toEqual(Buffer.from([7, 9]));
});

test('a nested message is read to its own end and no further', () => {
  started(2, 0x85, 0x01, 7);
  const outerEnd = reader.enter('field');
  expect(reader.int32()).toBe(133);
  expect(reader.hasMore()).toBe(false);
  expect(() => reader.int32()).toThrow('byte 3 is cut off');
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
  ])('%s is passed over, and throws where it is cut off', (_, bytes) => {
    started(bytes, 0x10);
    reader.skip(reader.tag());
    expect(reader.tag()).toBe(0x10);
    for (let length = 1; length < bytes.length; length += 1) {
      started(bytes.slice(0, length));
      expect(() => reader.skip(reader.tag())).toThrow('cannot decode the message');
    }
  });

  test.each([
    ['the end of no group', [0x0c], 'wire type 4'],
    ['the end of another group', [0x0b, 0x14], 'the end of another group, wanted that of group 1'],
    ['wire type 6', [0x0e], 'wire type 6, wanted 0, 1, 2, 3 or 5'],
    ['wire type 7', [0x0f], 'wire type 7'],
    ['field number 0', [0x02, 0], 'a field number out of range, wanted 1 to 536870911'],
    ['a field number of 30 bits', [0x80, 0x80, 0x80, 0x80, 0x10], 'a field number out of range'],
  ])('%s throws', (_, bytes, text) => {
    started(bytes);
    expect(() => reader.skip(reader.tag())).toThrow(text);
  });

  test('groups are passed over to a depth of 100', () => {
    function nested(depth: number): Buffer {
      return Buffer.concat([Buffer.alloc(depth, 0x0b), Buffer.alloc(depth, 0x0c)]);
    }
    started(nested(100));
    reader.skip(reader.tag());
    expect(reader.hasMore()).toBe(false);
    started(nested(101));
    expect(() => reader.skip(reader.tag())).toThrow('nested too deep, wanted 100 levels at most');
    // The depth of what failed is not that of the next message.
    started(nested(100));
    reader.skip(reader.tag());
    expect(reader.hasMore()).toBe(false);
  });
});

test('messages within messages count as deep as groups', () => {
  started(Buffer.from(Array.from({ length: 102 }, (_, index) => 101 - index)));
  for (let depth = 0; depth < 100; depth += 1) {
    reader.enter('field');
  }
  expect(() => reader.enter('field')).toThrow('nested too deep');
});

test.each([
  { name: 'of a message', bytes: [0x08, 1] },
  { name: 'that are unknown groups', bytes: [0x0b, 0x0c] },
])('fields $name count, and too many throw a StatusError', ({ bytes }) => {
  // The end of a group is a tag as well.
  const tags = bytes.filter((byte) => byte > 1).length;
  function readAll(fields: number): void {
    started(Buffer.alloc(fields * bytes.length, Buffer.from(bytes)));
    while (reader.hasMore()) {
      reader.skip(reader.tag());
    }
  }
  readAll(MAX_FIELDS_PER_MESSAGE / tags);
  expect(() => readAll(MAX_FIELDS_PER_MESSAGE / tags + 1)).toThrow(
    new StatusError(Status.RESOURCE_EXHAUSTED, 'cannot read the request: it has more than 65536 fields, wanted fewer'),
  );
  expect(reader.hasMore()).toBe(false);
  // Those of one message are not counted against the next.
  readAll(1);
});

test('the last field number is read', () => {
  expect(started([0xf8, 0xff, 0xff, 0xff, 0x0f]).tag()).toBe(2 ** 32 - 8);
});

test('nothing is left to read of a message that could not be read', () => {
  started(5, 1, 2);
  expect(() => reader.string('field')).toThrow('cut off');
  expect(reader.hasMore()).toBe(false);
});

test('an entry of a map is its own whatever it is called', () => {
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
