/**
 * Writes the protobuf wire format. The generated encoders (src/grpc/generated/codec) call the writer field by field.
 *
 * One writer serves all messages. It writes the messages one after the other into a slab, which is a buffer for many
 * messages, and `finish` returns a view of the slab. The writer therefore neither computes sizes in advance nor copies
 * finished messages. When a slab is full, the writer replaces it with a new slab and never overwrites the old one. Only
 * the returned views then keep the old slab alive. A message that does not fit into a slab gets its own buffer. The
 * length of a nested message or packed field is unknown at first, so the writer reserves one byte for the length. If
 * the length needs more bytes, the writer moves the content.
 *
 * Invariants:
 *   1. The writer never changes a message that `finish` has returned.
 *   2. The writer converts numbers as protobufjs does: it truncates them towards zero, converts NaN to 0, and clamps
 *      64-bit values. A 64-bit integer may also be a decimal string, or an object with the halves `low` and `high`. A
 *      string for a bytes field must be base64.
 *   3. The writer encodes a lone surrogate as U+FFFD.
 */
import { MAX_SHORT_TEXT_UNITS, writeShortText } from './short-text.ts';

/**
 * Size of a slab in bytes. The size is small, because one response that waits for a slow reader keeps the whole slab in
 * memory.
 */
const SLAB_BYTES = 8 * 1024;
/** Spare bytes in the buffer of a large message, for small fields after the large field. */
const LARGE_SPARE_BYTES = 512;
/** Maximum length of a tag and a varint together. */
const MAX_SCALAR_BYTES = 5 + 10;
/** Maximum number of bytes to copy with a loop, which is faster than a native call for so few bytes. */
const MAX_SHORT_BYTES = 32;
const TWO_POWER_32 = 2 ** 32;
const TWO_POWER_63 = 2 ** 63;
const EMPTY_BYTES = Buffer.alloc(0);

/** A 64-bit integer, as the generated types declare it. */
export type Long = number | string | { readonly low: number; readonly high: number };

export class WireWriter {
  #slab: Buffer = EMPTY_BYTES;
  #slabPosition = 0;
  /** Buffer of the current message: the slab, or a buffer for this message only. */
  #bytes: Buffer = EMPTY_BYTES;
  #start = 0;
  #position = 0;

  start(): void {
    this.#bytes = this.#slab;
    this.#start = this.#slabPosition;
    this.#position = this.#slabPosition;
  }

  finish(): Buffer {
    const bytes = this.#bytes;
    if (bytes === this.#slab) {
      this.#slabPosition = this.#position;
    } else {
      this.#bytes = EMPTY_BYTES;
    }
    return bytes.subarray(this.#start, this.#position);
  }

  bool(tag: number, value: boolean): void {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#varint(tag);
    this.#bytes[this.#position] = value ? 1 : 0;
    this.#position += 1;
  }

  int32(tag: number, value: number): void {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#varint(tag);
    this.#int32(value | 0);
  }

  /**
   * Writes an enum value. The writer encodes a number unchanged, even if the enum does not declare the number.
   * `numbers` maps names to numbers, and the writer encodes an unknown name as 0.
   */
  enumeration(tag: number, value: number | string, numbers: Readonly<Record<string, number>>): void {
    this.int32(tag, typeof value === 'number' ? value : (numbers[value] ?? 0));
  }

  int64(tag: number, value: Long): void {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#varint(tag);
    if (typeof value !== 'number') {
      this.#longOf(value);
    } else if (value >= 0 && value < TWO_POWER_32) {
      this.#varint(value >>> 0);
    } else {
      this.#largeNumber(value);
    }
  }

  string(tag: number, text: string): void {
    const units = text.length;
    // UTF-8 needs at most three bytes for a UTF-16 code unit.
    this.#reserve(MAX_SCALAR_BYTES + units * 3);
    this.#varint(tag);
    const lengthAt = this.#position;
    // Assumes that each code unit needs one byte, as in ASCII, and leaves space for the length prefix of such a string.
    // If the length prefix needs more bytes, the writer moves the string.
    const start = lengthAt + varintBytes(units);
    if (units <= MAX_SHORT_TEXT_UNITS && writeShortText(this.#bytes, start, text)) {
      this.#bytes[lengthAt] = units;
      this.#position = start + units;
      return;
    }
    const length = this.#bytes.write(text, start, 'utf8');
    this.#varint(length);
    if (this.#position !== start) {
      this.#bytes.write(text, this.#position, 'utf8');
    }
    this.#position += length;
  }

  bytes(tag: number, value: Uint8Array | string): void {
    const given = typeof value === 'string' ? Buffer.from(value, 'base64') : value;
    this.#reserve(MAX_SCALAR_BYTES + given.length);
    this.#varint(tag);
    this.#varint(given.length);
    if (given.length <= MAX_SHORT_BYTES) {
      copyByLoop(given, this.#bytes, this.#position);
    } else {
      this.#bytes.set(given, this.#position);
    }
    this.#position += given.length;
  }

  /** Starts a nested message, a map entry or a packed field. The caller must pass the returned value to `close`. */
  open(tag: number): number {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#varint(tag);
    this.#position += 1;
    // The offset is relative to the start of the message, so that it stays valid when the message moves.
    return this.#position - this.#start;
  }

  close(opened: number): void {
    const contentStart = this.#start + opened;
    const length = this.#position - contentStart;
    if (length < 0x80) {
      this.#bytes[contentStart - 1] = length;
      return;
    }
    const extra = varintBytes(length) - 1;
    this.#reserve(extra);
    // The start is computed only now, because #reserve may have moved the message.
    const start = this.#start + opened;
    this.#bytes.copyWithin(start + extra, start, this.#position);
    const end = this.#position + extra;
    this.#position = start - 1;
    this.#varint(length);
    this.#position = end;
  }

  /** Writes a number of a packed field; must be called between `open` and `close`. */
  packedInt32(value: number): void {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#int32(value | 0);
  }

  #int32(value: number): void {
    if (value >= 0) {
      this.#varint(value);
    } else {
      this.#longVarint(value, -1);
    }
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let position = this.#position;
    let rest = value;
    while (rest > 0x7f) {
      bytes[position] = (rest & 0x7f) | 0x80;
      position += 1;
      rest >>>= 7;
    }
    bytes[position] = rest;
    this.#position = position + 1;
  }

  /** Writes a 64-bit varint whose two halves are passed separately. */
  #longVarint(low: number, high: number): void {
    const bytes = this.#bytes;
    let position = this.#position;
    let restLow = low | 0;
    let restHigh = high | 0;
    while (restHigh !== 0) {
      bytes[position] = (restLow & 0x7f) | 0x80;
      position += 1;
      restLow = (restLow >>> 7) | (restHigh << 25);
      restHigh >>>= 7;
    }
    this.#position = position;
    this.#varint(restLow >>> 0);
  }

  /** Writes a number that is negative, not an integer, at least 2^32, or NaN. */
  #largeNumber(value: number): void {
    if (Number.isNaN(value)) {
      this.#varint(0);
    } else if (value >= TWO_POWER_63) {
      this.#longVarint(-1, 0x7fffffff);
    } else if (value <= -TWO_POWER_63) {
      this.#longVarint(0, 0x80000000);
    } else {
      const whole = Math.trunc(value);
      this.#longVarint(whole, Math.floor(whole / TWO_POWER_32));
    }
  }

  #longOf(value: string | { readonly low: number; readonly high: number }): void {
    if (typeof value === 'string') {
      const bits = BigInt.asUintN(64, BigInt(value));
      this.#longVarint(Number(bits & 0xffffffffn), Number(bits >> 32n));
    } else {
      this.#longVarint(value.low, value.high);
    }
  }

  /** Reserves `count` more bytes: in the slab, in a new slab, or in a buffer for this message only. */
  #reserve(count: number): void {
    if (this.#position + count <= this.#bytes.length) {
      return;
    }
    const used = this.#position - this.#start;
    const neededBytes = used + count;
    const isLarge = neededBytes > SLAB_BYTES / 2;
    // The size doubles on growth, so that the number of copied bytes stays proportional to the length of the message.
    const fresh = Buffer.allocUnsafeSlow(isLarge ? Math.max(neededBytes + LARGE_SPARE_BYTES, used * 2) : SLAB_BYTES);
    this.#bytes.copy(fresh, 0, this.#start, this.#position);
    this.#bytes = fresh;
    this.#start = 0;
    this.#position = used;
    if (!isLarge) {
      this.#slab = fresh;
      this.#slabPosition = 0;
    }
  }
}

function copyByLoop(source: Uint8Array, target: Buffer, start: number): void {
  for (let index = 0; index < source.length; index += 1) {
    target[start + index] = source[index] as number;
  }
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) {
    count += 1;
  }
  return count;
}
