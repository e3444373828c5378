/**
 * Decodes header blocks (RFC 7541) into fields.
 *
 * Invariants:
 *   1. The decoder decodes each block to its end even if the header list exceeds the limit, because our dynamic table
 *      must stay equal to the peer's table.
 *   2. A header list needs memory only for a reference to each indexed field, and does not grow beyond the limit.
 *   3. The decoder throws a ConnectionFault with COMPRESSION_ERROR for an invalid block, because our dynamic table may
 *      no longer be equal to the peer's table.
 */

import { ConnectionFault, ErrorCode } from '../frames/protocol.ts';
import { Field } from './field.ts';
import { huffmanBound, huffmanDecode } from './huffman.ts';
import { HpackTable } from './table.ts';

const INDEXED = 0x80;
const LITERAL_INDEXED = 0x40;
const TABLE_SIZE_UPDATE = 0x20;
const HUFFMAN = 0x80;
/**
 * Shift of the last byte that the decoder accepts after the prefix of an integer. Four bytes can encode numbers up to
 * 268 million, which is far above any valid length or index.
 */
const MAX_INTEGER_SHIFT = 21;

/**
 * Buffer for decoded Huffman strings. All connections share this buffer, because decoding is synchronous. The buffer
 * grows to the length of the longest string, which cannot exceed the limit on header blocks.
 */
let scratch = Buffer.allocUnsafe(4_096);

export class HpackDecoder {
  readonly table: HpackTable;
  readonly #maxListBytes: number;
  readonly #maxListFields: number;
  #block: Buffer = scratch;
  #at = 0;
  #end = 0;

  constructor(options: { tableBytes: number; maxListBytes: number; maxListFields: number }) {
    this.table = new HpackTable(options.tableBytes);
    this.#maxListBytes = options.maxListBytes;
    this.#maxListFields = options.maxListFields;
  }

  /**
   * Appends the fields of `block[start, end)`. Returns false if the list exceeds a limit; in this case `fields` is
   * incomplete.
   */
  decode(block: Buffer, start: number, end: number, fields: Field[]): boolean {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    let roomBytes = this.#maxListBytes;
    let roomFields = this.#maxListFields;
    let mayResize = true;
    while (this.#at < end) {
      const first = block[this.#at] as number;
      if (first < LITERAL_INDEXED && first >= TABLE_SIZE_UPDATE) {
        this.#resize(mayResize);
        continue;
      }
      mayResize = false;
      const field = this.#field(first);
      roomBytes -= field.bytes;
      roomFields -= 1;
      if (roomBytes >= 0 && roomFields >= 0) {
        fields.push(field);
      }
    }
    return roomBytes >= 0 && roomFields >= 0;
  }

  #field(first: number): Field {
    const table = this.table;
    if (first >= INDEXED) {
      const index = this.#integer(7);
      return table.at(index) ?? invalid(`no table entry at index ${index}`);
    }
    if (first >= LITERAL_INDEXED) {
      const field = this.#literal(6);
      table.insert(field);
      return field;
    }
    return this.#literal(4);
  }

  #resize(mayResize: boolean): void {
    if (!mayResize) {
      invalid('dynamic table size update after a field');
    }
    if (!this.table.resize(this.#integer(5))) {
      invalid('dynamic table size above SETTINGS_HEADER_TABLE_SIZE');
    }
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name =
      index === 0 ? this.#string() : (this.table.at(index) ?? invalid(`no table entry at index ${index}`)).name;
    return new Field(name, this.#string());
  }

  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at] as number) & mask;
    this.#at += 1;
    if (value < mask) {
      return value;
    }
    for (let shift = 0; shift <= MAX_INTEGER_SHIFT; shift += 7) {
      if (this.#at >= this.#end) {
        invalid('truncated integer');
      }
      const byte = this.#block[this.#at] as number;
      this.#at += 1;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    return invalid('integer too large');
  }

  #string(): string {
    if (this.#at >= this.#end) {
      invalid('missing string');
    }
    const isHuffman = (this.#block[this.#at] as number) >= HUFFMAN;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) {
      invalid('truncated string');
    }
    this.#at = end;
    if (!isHuffman) {
      return this.#block.toString('latin1', start, end);
    }
    const bound = huffmanBound(length);
    if (bound > scratch.length) {
      scratch = Buffer.allocUnsafe(bound * 2);
    }
    const decoded = huffmanDecode(this.#block, start, end, scratch);
    if (decoded < 0) {
      invalid('invalid Huffman code');
    }
    return scratch.toString('latin1', 0, decoded);
  }
}

function invalid(why: string): never {
  throw new ConnectionFault(ErrorCode.compression, `cannot decode the header block: ${why}`);
}
