/**
 * Huffman decoding against the codes of RFC 7541, and the rules for its padding (section 5.2).
 */
import { HUFFMAN_CODES, type HuffmanCode, huffmanEncode } from '../../../../test/support/http2/huffman.ts';
import { huffmanBound, huffmanDecode } from './huffman.ts';

function decode(encoded: Uint8Array): Buffer | undefined {
  const target = Buffer.alloc(huffmanBound(encoded.length));
  const length = huffmanDecode(encoded, 0, encoded.length, target);
  return length < 0 ? undefined : target.subarray(0, length);
}

/** The bits of a text of 0 and 1, to whole bytes. */
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
  // Rows of appendix B, as they stand there.
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
])('the code of %i is %i, %i bits long', (symbol, code, length) => {
  expect(HUFFMAN_CODES[symbol]).toEqual({ code, bits: length });
});

test('every symbol is decoded, alone and between others', () => {
  for (let symbol = 0; symbol < 256; symbol += 1) {
    for (const text of [[symbol], [97, symbol, 48], [symbol, symbol, symbol]]) {
      expect(decode(huffmanEncode(Buffer.from(text)))).toEqual(Buffer.from(text));
    }
  }
});

test('nothing is decoded to nothing', () => {
  expect(decode(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
});

test('padding of ones is taken up to seven bits', () => {
  for (let zeros = 1; zeros <= 8; zeros += 1) {
    // So many codes of five bits end at every place of a byte.
    const missing = (8 - ((zeros * 5) % 8)) % 8;
    expect(decode(bits('00000'.repeat(zeros) + '1'.repeat(missing)))).toEqual(Buffer.alloc(zeros, '0'));
  }
});

test('padding that is no beginning of the end marker is refused', () => {
  expect(decode(bits('00000000'))).toBeUndefined();
  expect(decode(bits('00000110'))).toBeUndefined();
});

test('padding of a byte and more is refused', () => {
  expect(decode(Buffer.from([0xff]))).toBeUndefined();
  expect(decode(bits('0000011111111111'))).toBeUndefined();
  expect(decode(Buffer.alloc(3, 0xff))).toBeUndefined();
});

test('the end marker is refused wherever it stands', () => {
  expect(decode(bits(`${codeOf(256)}11`))).toBeUndefined();
  expect(decode(bits(`${codeOf(48)}${codeOf(256)}${codeOf(48)}`))).toBeUndefined();
});

test('the bound is reached by the shortest codes and never passed', () => {
  const longest = huffmanEncode(Buffer.alloc(800, '0'));
  expect(longest.length).toBe(500);
  expect(huffmanBound(longest.length)).toBe(800);
  expect(decode(longest)).toEqual(Buffer.alloc(800, '0'));
});
