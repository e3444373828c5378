/**
 * Encodes bytes with the Huffman code of HPACK (RFC 7541, appendix B). The transport only decodes this code.
 *
 * This file contains its own table of code lengths, in another form than the code under test. The codes follow from
 * their lengths, because the Huffman code is canonical.
 */

// biome-ignore format: a table with 32 symbols per row; the last entry is EOS.
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

export interface HuffmanCode {
  readonly code: number;
  readonly bits: number;
}

/** Codes by symbol; 256 is EOS. */
export const HUFFMAN_CODES: readonly HuffmanCode[] = canonicalCodes();

export function huffmanEncode(bytes: Uint8Array): Buffer {
  const encoded: number[] = [];
  let pending = 0;
  let pendingBits = 0;

  function push(code: number, bits: number): void {
    for (let bit = bits - 1; bit >= 0; bit -= 1) {
      pending = (pending << 1) | (Math.floor(code / 2 ** bit) & 1);
      pendingBits += 1;
      if (pendingBits === 8) {
        encoded.push(pending);
        pending = 0;
        pendingBits = 0;
      }
    }
  }

  for (const byte of bytes) {
    const { code, bits } = HUFFMAN_CODES[byte] as HuffmanCode;
    push(code, bits);
  }
  while (pendingBits > 0) {
    // Padding consists of the first bits of the EOS code, which are ones.
    push(1, 1);
  }
  return Buffer.from(encoded);
}

function canonicalCodes(): HuffmanCode[] {
  const symbols = CODE_LENGTHS.map((bits, symbol) => ({ symbol, bits }));
  symbols.sort((left, right) => left.bits - right.bits || left.symbol - right.symbol);
  const codes: HuffmanCode[] = [];
  let code = 0;
  let bitsBefore = 0;
  for (const { symbol, bits } of symbols) {
    code *= 2 ** (bits - bitsBefore);
    bitsBefore = bits;
    codes[symbol] = { code, bits };
    code += 1;
  }
  return codes;
}
