/**
 * Tests HPACK decoding with the examples of RFC 7541, appendix C, and with invalid blocks.
 */

import { ConnectionFault, ErrorCode } from '../frames/protocol.ts';
import { HpackDecoder } from './decoder.ts';
import type { Field } from './field.ts';
import { STATIC_LENGTH } from './table.ts';

const DEFAULTS = { tableBytes: 4_096, maxListBytes: 16_384, maxListFields: 1_000 };

function decode(decoder: HpackDecoder, hex: string): [string, string][] {
  const fields: Field[] = [];
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  // In a chunk, other bytes usually precede and follow a header block.
  const chunk = Buffer.concat([Buffer.from([0xff, 0xff]), block, Buffer.from([0xff])]);
  expect(decoder.decode(chunk, 2, 2 + block.length, fields)).toBe(true);
  return fields.map(({ name, value }) => [name, value]);
}

/** Returns the entries of the dynamic table, newest first. */
function tableOf(decoder: HpackDecoder): [string, string][] {
  const entries: [string, string][] = [];
  for (let index = STATIC_LENGTH + 1; ; index += 1) {
    const field = decoder.table.at(index);
    if (field === undefined) {
      return entries;
    }
    entries.push([field.name, field.value]);
  }
}

function faultOf(hex: string, decoder = new HpackDecoder(DEFAULTS)): ConnectionFault {
  try {
    decode(decoder, hex);
  } catch (error) {
    if (error instanceof ConnectionFault) {
      return error;
    }
    throw error;
  }
  throw new Error(`cannot find a connection error: ${hex} was decoded`);
}

interface Example {
  readonly section: string;
  readonly hex: string;
  readonly fields: [string, string][];
  readonly table: [string, string][];
  readonly tableBytes: number;
}

const DATE_21 = 'Mon, 21 Oct 2013 20:13:21 GMT';
const DATE_22 = 'Mon, 21 Oct 2013 20:13:22 GMT';
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const AUTHORITY: [string, string] = [':authority', 'www.example.com'];
const NO_CACHE: [string, string] = ['cache-control', 'no-cache'];
const CUSTOM: [string, string] = ['custom-key', 'custom-value'];

describe('C.2: one field', () => {
  const examples: Example[] = [
    {
      section: 'C.2.1',
      hex: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
      fields: [['custom-key', 'custom-header']],
      table: [['custom-key', 'custom-header']],
      tableBytes: 55,
    },
    {
      section: 'C.2.2',
      hex: '040c 2f73 616d 706c 652f 7061 7468',
      fields: [[':path', '/sample/path']],
      table: [],
      tableBytes: 0,
    },
    {
      section: 'C.2.3',
      hex: '1008 7061 7373 776f 7264 0673 6563 7265 74',
      fields: [['password', 'secret']],
      table: [],
      tableBytes: 0,
    },
    { section: 'C.2.4', hex: '82', fields: [[':method', 'GET']], table: [], tableBytes: 0 },
  ];
  test.each(examples)('$section', (example) => {
    expectExample(new HpackDecoder(DEFAULTS), example);
  });
});

const GET: [string, string] = [':method', 'GET'];
const HTTP: [string, string] = [':scheme', 'http'];
const REQUESTS: readonly Omit<Example, 'section' | 'hex'>[] = [
  { fields: [GET, HTTP, [':path', '/'], AUTHORITY], table: [AUTHORITY], tableBytes: 57 },
  { fields: [GET, HTTP, [':path', '/'], AUTHORITY, NO_CACHE], table: [NO_CACHE, AUTHORITY], tableBytes: 110 },
  {
    fields: [GET, [':scheme', 'https'], [':path', '/index.html'], AUTHORITY, CUSTOM],
    table: [CUSTOM, NO_CACHE, AUTHORITY],
    tableBytes: 164,
  },
];

const FOUND: [string, string] = [':status', '302'];
const PRIVATE: [string, string] = ['cache-control', 'private'];
const LOCATION: [string, string] = ['location', 'https://www.example.com'];
const RESPONSES: readonly Omit<Example, 'section' | 'hex'>[] = [
  {
    fields: [FOUND, PRIVATE, ['date', DATE_21], LOCATION],
    table: [LOCATION, ['date', DATE_21], PRIVATE, FOUND],
    tableBytes: 222,
  },
  {
    fields: [[':status', '307'], PRIVATE, ['date', DATE_21], LOCATION],
    table: [[':status', '307'], LOCATION, ['date', DATE_21], PRIVATE],
    tableBytes: 222,
  },
  {
    fields: [
      [':status', '200'],
      PRIVATE,
      ['date', DATE_22],
      LOCATION,
      ['content-encoding', 'gzip'],
      ['set-cookie', COOKIE],
    ],
    table: [
      ['set-cookie', COOKIE],
      ['content-encoding', 'gzip'],
      ['date', DATE_22],
    ],
    tableBytes: 215,
  },
];

test.each([
  {
    section: 'C.3: requests without Huffman code',
    tableBytes: 4_096,
    expected: REQUESTS,
    blocks: [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
  },
  {
    section: 'C.4: requests with Huffman code',
    tableBytes: 4_096,
    expected: REQUESTS,
    blocks: [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  },
  {
    section: 'C.5: responses without Huffman code, with eviction',
    tableBytes: 256,
    expected: RESPONSES,
    blocks: [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 54
       6e17 6874 7470 733a 2f2f 7777 772e 6578 616d 706c 652e 636f 6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
       4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
       7369 6f6e 3d31`,
    ],
  },
  {
    section: 'C.6: responses with Huffman code, with eviction',
    tableBytes: 256,
    expected: RESPONSES,
    blocks: [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
       97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
       cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
  },
])('$section', ({ section, tableBytes, expected, blocks }) => {
  const decoder = new HpackDecoder({ tableBytes, maxListBytes: 16_384, maxListFields: 1_000 });
  for (const [index, hex] of blocks.entries()) {
    const example = expected[index];
    if (example !== undefined) {
      expectExample(decoder, { section, hex: hex.replaceAll(/\s/g, ''), ...example });
    }
  }
});

function expectExample(decoder: HpackDecoder, example: Example): void {
  expect(decode(decoder, example.hex)).toEqual(example.fields);
  expect(tableOf(decoder)).toEqual(example.table);
  expect(decoder.table.bytes).toBe(example.tableBytes);
}

describe('fails with COMPRESSION_ERROR for an invalid block', () => {
  test.each([
    ['index 0', '80'],
    ['an index beyond the static table while the dynamic table is empty', 'be'],
    ['a name index beyond both tables', '7e 01 61'],
    ['a field without a value', '40 01 61'],
    ['a field without a name', '40'],
    ['a truncated name', '40 05 61'],
    ['a truncated value', '40 01 61 05 62'],
    ['a value with a length beyond any block', '40 01 61 7f ff ff ff 7f 62'],
    ['an index truncated after its prefix', 'ff'],
    ['an index truncated after its second byte', 'ff 80'],
    ['an index of too many bytes', 'ff 80 80 80 80 80 01'],
    ['a size update above the limit', '3f e2 1f'],
    ['a size update after a field', '82 20'],
    ['a Huffman string with the EOS symbol', '40 01 61 84 ff ff ff ff'],
    ['a Huffman string padded with zeros', '40 01 61 81 00'],
    ['a Huffman string with a whole byte of padding', '40 01 61 82 07 ff'],
  ])('%s', (_what, hex) => {
    expect(faultOf(hex).code).toBe(ErrorCode.compression);
  });
});

test('reads integers of every encoded length', () => {
  const decoder = new HpackDecoder({ tableBytes: 4_096, maxListBytes: 100_000, maxListFields: 1_000 });
  // Lengths around the largest values that can be encoded in the prefix alone, with one more byte, and with two more
  // bytes.
  for (const length of [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 30_000]) {
    const rest = length - 127;
    const more =
      rest < 128
        ? [rest]
        : rest < 16_384
          ? [(rest & 127) | 128, rest >> 7]
          : [(rest & 127) | 128, ((rest >> 7) & 127) | 128, rest >> 14];
    const head = length < 127 ? [length] : [127, ...more];
    const hex = Buffer.concat([Buffer.from([0, 1, 97, ...head]), Buffer.alloc(length, 'v')]).toString('hex');
    expect(decode(decoder, hex)).toEqual([['a', 'v'.repeat(length)]]);
  }
});

test('evicts entries on a size update at the start of a block, and accepts a later increase', () => {
  const decoder = new HpackDecoder(DEFAULTS);
  decode(decoder, '4001 6101 62 4001 6301 64');
  expect(tableOf(decoder)).toEqual([
    ['c', 'd'],
    ['a', 'b'],
  ]);
  // Shrinks the table to 40 bytes, which is enough for one entry of 34 bytes.
  expect(decode(decoder, '3f09 be')).toEqual([['c', 'd']]);
  expect(decoder.table.bytes).toBe(34);
  // Shrinks the table to 0 bytes and raises it to 4,096 again in one block.
  expect(decode(decoder, '20 3fe11f 82')).toEqual([[':method', 'GET']]);
  expect(tableOf(decoder)).toEqual([]);
  decode(decoder, '4001 6101 62');
  expect(tableOf(decoder)).toEqual([['a', 'b']]);
});

test('empties the table for a field larger than it, and still returns the field', () => {
  const decoder = new HpackDecoder({ tableBytes: 64, maxListBytes: 16_384, maxListFields: 1_000 });
  decode(decoder, '4001 6101 62');
  const long = `4001 61 28${'78'.repeat(40)}`;
  expect(decode(decoder, long)).toEqual([['a', 'x'.repeat(40)]]);
  expect(tableOf(decoder)).toEqual([]);
  expect(decoder.table.bytes).toBe(0);
});

test('takes a name from an entry that the new field evicts', () => {
  const decoder = new HpackDecoder({ tableBytes: 40, maxListBytes: 16_384, maxListFields: 1_000 });
  decode(decoder, '4001 6101 62');
  expect(decode(decoder, '7e 0163')).toEqual([['a', 'c']]);
  expect(tableOf(decoder)).toEqual([['a', 'c']]);
});

test('decodes a list above its limit to the end: updates the table, but stops adding fields', () => {
  const decoder = new HpackDecoder({ tableBytes: 4_096, maxListBytes: 100, maxListFields: 1_000 });
  const fields: Field[] = [];
  const block = Buffer.from('82 82 82 82 82 4001 6101 62'.replaceAll(' ', ''), 'hex');
  expect(decoder.decode(block, 0, block.length, fields)).toBe(false);
  expect(fields).toHaveLength(2);
  expect(tableOf(decoder)).toEqual([['a', 'b']]);
});

test('decodes bytes above ASCII to one character each', () => {
  expect(decode(new HpackDecoder(DEFAULTS), '0001 61 03 c3a4ff')).toEqual([['a', '\u00c3\u00a4\u00ff']]);
});
