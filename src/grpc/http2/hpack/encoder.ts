/**
 * Encodes the header fields that we send (RFC 7541) as literals without indexing. A block therefore has the same bytes
 * on every connection and is encoded only once. The dynamic table of the peer's decoder stays empty.
 */
import { staticIndexOf } from './table.ts';

/** Encoded field `:status: 200`, an entry of the static table. */
export const STATUS_200 = Buffer.from([0x88]);
/**
 * Dynamic table size update to 0. An encoder must send it after the peer has lowered SETTINGS_HEADER_TABLE_SIZE (RFC
 * 7541, section 4.2).
 */
export const EMPTY_TABLE = Buffer.from([0x20]);

const LITERAL_PREFIX_BITS = 4;
const STRING_PREFIX_BITS = 7;

/** Encodes a field. Each character of `name` and `value` represents one byte. */
export function encodeField(name: string, value: string): Buffer {
  const nameIndex = staticIndexOf(name);
  const encodedName =
    nameIndex > 0
      ? encodeInteger(nameIndex, LITERAL_PREFIX_BITS)
      : Buffer.concat([Buffer.from([0]), encodeString(name)]);
  return Buffer.concat([encodedName, encodeString(value)]);
}

export function encodeFields(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => encodeField(name, value)));
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([encodeInteger(bytes.length, STRING_PREFIX_BITS), bytes]);
}

function encodeInteger(value: number, prefixBits: number): Buffer {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    return Buffer.from([value]);
  }
  const bytes = [mask];
  let rest = value - mask;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
