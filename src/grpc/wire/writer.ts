/**
 * Writes the protobuf wire format: what the generated encoders (src/grpc/generated/codec) call, field by field.
 *
 * One writer serves every message. Messages are written one behind the other into a slab, and what `finish` answers is a
 * view of it: nothing is sized first and nothing copied. A slab is left once it is full, and is never written over. The
 * answers alone keep it then, as small Buffers keep Node's own pool. A message that does not fit has a buffer of its own.
 *
 * Promises:
 *   1. What `finish` answered is never written to again.
 *   2. Numbers are taken as protobufjs takes them: whole towards zero, NaN as 0, 64 bits held at their bounds. A string of
 *      64 bits is a decimal number, an object has the halves `low` and `high`; a string of bytes is base64.
 *   3. Half a surrogate pair is written as U+FFFD.
 * A length that is not known beforehand (a nested message, a packed field) is one byte until its end is known; where it
 * takes more, the content is moved.
 */
import { MAX_SHORT_TEXT_UNITS, writeShortText } from './short-text.ts';

/** What a small answer that waits for a slow reader may hold at most, if nothing else keeps its slab. */
const SLAB_BYTES = 8 * 1024;
/** Room for the small fields behind the large one that made a message large. */
const LARGE_SPARE_BYTES = 512;
/** A tag and a varint. */
const MAX_SCALAR_BYTES = 5 + 10;
/** Up to here a loop is cheaper than the crossing into native code. */
const MAX_SHORT_BYTES = 32;
const TWO_POWER_32 = 2 ** 32;
const TWO_POWER_63 = 2 ** 63;
const EMPTY_BYTES = Buffer.alloc(0);

/** As the generated types have it. */
export type Long = number | string | { readonly low: number; readonly high: number };

export class WireWriter {
  #slab: Buffer = EMPTY_BYTES;
  #slabPosition = 0;
  /** The slab, or the buffer of a large message. */
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

  /** By number, known or not, or by the name in `numbers`; an unknown name is 0. */
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
    // UTF-8 takes three bytes at most for a UTF-16 unit.
    this.#reserve(MAX_SCALAR_BYTES + units * 3);
    this.#varint(tag);
    const lengthAt = this.#position;
    // As many bytes as units, which is so for ASCII; where it is not, the text may have to move.
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

  /** Begins a nested message, a map entry or a packed field; the answer is for `close`. */
  open(tag: number): number {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#varint(tag);
    this.#position += 1;
    // Counted from the start of the message: that stays true when the message moves to a larger buffer.
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
    // After #reserve, which may have moved the message.
    const start = this.#start + opened;
    this.#bytes.copyWithin(start + extra, start, this.#position);
    const end = this.#position + extra;
    this.#position = start - 1;
    this.#varint(length);
    this.#position = end;
  }

  /** A number of a packed field, between `open` and `close`. */
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

  /** Of 64 bits in two halves. */
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

  /** One that is negative, no whole number, 2^32 or more, or no number at all. */
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

  /** Room for `count` bytes more: in the slab, in a new one, or in a buffer for this message alone. */
  #reserve(count: number): void {
    if (this.#position + count <= this.#bytes.length) {
      return;
    }
    const used = this.#position - this.#start;
    const neededBytes = used + count;
    const isLarge = neededBytes > SLAB_BYTES / 2;
    // Doubled where it grows on, so that what is copied stays in proportion to the message.
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
