/**
 * Tests Huffman decoding with the codes of RFC 7541, appendix B, and the padding rules of section 5.2.
 */
import { HUFFMAN_CODES, type HuffmanCode, huffmanEncode } from '../../../../test/support/http2/huffman.ts';
import { huffmanBound, huffmanDecode } from './huffman.ts';

function decode(encoded: Uint8Array): Buffer | undefined {
  const target = Buffer.alloc(huffmanBound(encoded.length));
  const length = huffmanDecode(encoded, 0, encoded.length, target);
  return length < 0 ? undefined : target.subarray(0, length);
}

/** Converts a string of zeros and ones to bytes. */
function bits(text: string): Buffer {
  expect(text.length % 8).toBe(0);
  const bytes = Array.from({ length: text.length / 8 }, (_, at) => Number.parseInt(text.slice(at * 8, at * 8 + 8), 2));
  return Buffer.from(bytes);
}

function codeOf(symbol: number): string {
  const { code, bits: length } = HUFFMAN_CODES[symbol] as HuffmanCode;
  return code.toString(2).padStart(length, '0');
}

test.each([
  // Rows copied from appendix B.
  [0, 0x1ff8, 13],
  [1, 0x7fffd8, 23],
  [9, 0xffffea, 24],
  [10, 0x3ffffffc, 30],
  [32, 0x14, 6],
  [48, 0x0, 5],
  [92, 0x7fff0, 19],
  [123, 0x7ffe, 15],
  [127, 0xffffffc, 28],
  [128, 0xfffe6, 20],
  [176, 0x1fffe0, 21],
  [178, 0x3fffe0, 22],
  [179, 0x1fffe2, 21],
  [249, 0xffffffe, 28],
  [255, 0x3ffffee, 26],
  [256, 0x3fffffff, 30],
])('symbol %i has the code %i of %i bits', (symbol, code, length) => {
  expect(HUFFMAN_CODES[symbol]).toEqual({ code, bits: length });
});

test('decodes every symbol, alone and between others', () => {
  for (let symbol = 0; symbol < 256; symbol += 1) {
    for (const text of [[symbol], [97, symbol, 48], [symbol, symbol, symbol]]) {
      expect(decode(huffmanEncode(Buffer.from(text)))).toEqual(Buffer.from(text));
    }
  }
});

test('decodes an empty input to an empty output', () => {
  expect(decode(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
});

test('accepts padding of up to seven one bits', () => {
  for (let zeros = 1; zeros <= 8; zeros += 1) {
    // Sequences of 1 to 8 five-bit codes end at every possible bit position of a byte.
    const missing = (8 - ((zeros * 5) % 8)) % 8;
    expect(decode(bits('00000'.repeat(zeros) + '1'.repeat(missing)))).toEqual(Buffer.alloc(zeros, '0'));
  }
});

test('rejects padding that is not a prefix of the EOS code', () => {
  expect(decode(bits('00000000'))).toBeUndefined();
  expect(decode(bits('00000110'))).toBeUndefined();
});

test('rejects padding of eight bits or more', () => {
  expect(decode(Buffer.from([0xff]))).toBeUndefined();
  expect(decode(bits('0000011111111111'))).toBeUndefined();
  expect(decode(Buffer.alloc(3, 0xff))).toBeUndefined();
});

test('rejects the EOS symbol at any position', () => {
  expect(decode(bits(`${codeOf(256)}11`))).toBeUndefined();
  expect(decode(bits(`${codeOf(48)}${codeOf(256)}${codeOf(48)}`))).toBeUndefined();
});

test('the shortest codes decode to exactly the maximum length', () => {
  const longest = huffmanEncode(Buffer.alloc(800, '0'));
  expect(longest.length).toBe(500);
  expect(huffmanBound(longest.length)).toBe(800);
  expect(decode(longest)).toEqual(Buffer.alloc(800, '0'));
});
