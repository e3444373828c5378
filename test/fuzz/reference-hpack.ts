/**
 * Implements a simple HPACK decoder (RFC 7541) that uses lists and decodes bit by bit. For every block, this decoder
 * and the decoder under test must return the same fields and table, or both must reject the block.
 */
import { HUFFMAN_CODES } from '../support/http2/huffman.ts';

export type ReferenceField = readonly [name: string, value: string];

/** Symbols by the bits of their code, as a string of zeros and ones. */
const SYMBOLS = new Map(HUFFMAN_CODES.map(({ code, bits }, symbol) => [code.toString(2).padStart(bits, '0'), symbol]));
const END_OF_STRING = 256;
const LONGEST_CODE_BITS = 30;

/** Thrown for an invalid block. */
export class InvalidBlock extends Error {}

export class ReferenceDecoder {
  /** Dynamic table, newest entry first. */
  readonly table: ReferenceField[] = [];
  readonly #staticTable: readonly ReferenceField[];
  readonly #limitBytes: number;
  #maxBytes: number;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(staticTable: readonly ReferenceField[], limitBytes: number) {
    this.#staticTable = staticTable;
    this.#limitBytes = limitBytes;
    this.#maxBytes = limitBytes;
  }

  get tableBytes(): number {
    return this.table.reduce((sum, field) => sum + sizeOf(field), 0);
  }

  decode(block: Buffer): ReferenceField[] {
    this.#block = block;
    this.#at = 0;
    const fields: ReferenceField[] = [];
    while (this.#at < block.length) {
      const first = block.readUInt8(this.#at);
      if ((first & 0xe0) === 0x20) {
        this.#resize(fields.length > 0);
      } else if ((first & 0x80) !== 0) {
        fields.push(this.#entry(this.#integer(7)));
      } else if ((first & 0x40) !== 0) {
        const field = this.#literal(6);
        this.#insert(field);
        fields.push(field);
      } else {
        fields.push(this.#literal(4));
      }
    }
    return fields;
  }

  #resize(isLate: boolean): void {
    const bytes = this.#integer(5);
    if (isLate || bytes > this.#limitBytes) {
      throw new InvalidBlock('invalid table size update');
    }
    this.#maxBytes = bytes;
    this.#evict();
  }

  #insert(field: ReferenceField): void {
    this.table.unshift(field);
    this.#evict();
  }

  #evict(): void {
    while (this.tableBytes > this.#maxBytes) {
      this.table.pop();
    }
  }

  #entry(index: number): ReferenceField {
    const { length } = this.#staticTable;
    const field = index <= length ? this.#staticTable[index - 1] : this.table[index - length - 1];
    if (field === undefined) {
      throw new InvalidBlock('invalid index');
    }
    return field;
  }

  #literal(prefixBits: number): ReferenceField {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #byte(): number {
    if (this.#at >= this.#block.length) {
      throw new InvalidBlock('truncated block');
    }
    this.#at += 1;
    return this.#block.readUInt8(this.#at - 1);
  }

  #integer(prefixBits: number): number {
    const maxPrefix = 2 ** prefixBits - 1;
    let value = this.#byte() & maxPrefix;
    if (value < maxPrefix) {
      return value;
    }
    for (let count = 0; count < 4; count += 1) {
      const byte = this.#byte();
      value += (byte & 127) * 128 ** count;
      if (byte < 128) {
        return value;
      }
    }
    // A decoder may reject integers above its limits (RFC 7541, section 5.1).
    throw new InvalidBlock('integer is too large');
  }

  #string(): string {
    const isHuffman = this.#at < this.#block.length && this.#block.readUInt8(this.#at) >= 128;
    const length = this.#integer(7);
    if (this.#at + length > this.#block.length) {
      throw new InvalidBlock('truncated block');
    }
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    this.#at += length;
    return isHuffman ? referenceHuffman(bytes).toString('latin1') : bytes.toString('latin1');
  }
}

/** Decodes bit by bit. Throws InvalidBlock for an invalid code. */
export function referenceHuffman(bytes: Uint8Array): Buffer {
  const symbols: number[] = [];
  let code = '';
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code += (byte >> bit) & 1;
      const symbol = SYMBOLS.get(code);
      if (symbol === END_OF_STRING || code.length > LONGEST_CODE_BITS) {
        throw new InvalidBlock('invalid Huffman code');
      }
      if (symbol !== undefined) {
        symbols.push(symbol);
        code = '';
      }
    }
  }
  if (code.length > 7 || code.includes('0')) {
    throw new InvalidBlock('invalid Huffman padding');
  }
  return Buffer.from(symbols);
}

function sizeOf([name, value]: ReferenceField): number {
  return name.length + value.length + 32;
}
