/**
 * Reads the protobuf wire format: what the generated decoders (src/grpc/generated/codec) call, field by field.
 *
 * One reader serves every message: `start` gives it the bytes, `finish` takes them away again. Nothing is allocated but
 * the values; a call costs no closure and no object of its own.
 *
 * Promises:
 *   1. No read goes beyond the message, or beyond the nested message that was entered. Bytes that are no message throw.
 *   2. Nesting, of messages and of unknown groups, is bounded by MAX_DEPTH; so are the fields of a message, by MAX_FIELDS_PER_MESSAGE: an
 *      empty nested message is two bytes to its sender and an object of a hundred here, so that 4 MiB of them would be the
 *      end of a small heap. Such a message throws a StatusError, all others that cannot be read a plain one.
 *   3. Integers of 64 bits are exact: numbers within +-2^53, bigints beyond, so that an error can name what came.
 *   4. Text that is not valid UTF-8 throws a StatusError with INVALID_ARGUMENT that names the field by its path. Decoding
 *      it with U+FFFD in place of the invalid bytes would give different keys and users one name.
 *   5. Bytes are views of the message. After `finish`, or a throw, the reader holds no message.
 */
import { isUtf8 } from 'node:buffer';
import { Status, StatusError } from '../status.ts';
import { MAX_SHORT_TEXT_BYTES, readShortText } from './short-text.ts';

/** As deep as other implementations go by default. */
const MAX_DEPTH = 100;
/** Of a message, nested and unknown ones among them. What our services accept has 13,000 at most. */
export const MAX_FIELDS_PER_MESSAGE = 65_536;
const TWO_POWER_21 = 2 ** 21;
const TWO_POWER_32 = 2 ** 32;
/** What Buffer decodes invalid UTF-8 to. Valid text may hold it as well. */
const REPLACEMENT_CHARACTER = '\u{FFFD}';
/** An entered field that is not repeated. */
const NO_INDEX = -1;
export const EMPTY_BYTES: Buffer = Buffer.alloc(0);

const WireType = { VARINT: 0, FIXED64: 1, LENGTH: 2, GROUP: 3, GROUP_END: 4, FIXED32: 5 } as const;

export class WireReader {
  #bytes: Buffer = EMPTY_BYTES;
  #position = 0;
  /** Of the message that is being read, the nested one included. */
  #end = 0;
  #depth = 0;
  /** Fields that were entered, by depth, and their index where they are repeated: the path of an error. */
  readonly #enteredNames: string[] = [''];
  readonly #enteredIndexes: number[] = [NO_INDEX];
  #fieldsLeft = 0;
  /** The halves of the last long varint, each 32 bits, signed as bit operations leave them. */
  #low = 0;
  #high = 0;

  start(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#position = 0;
    this.#end = bytes.length;
    this.#depth = 0;
    this.#fieldsLeft = MAX_FIELDS_PER_MESSAGE;
  }

  finish(): void {
    this.#bytes = EMPTY_BYTES;
  }

  hasMore(): boolean {
    return this.#position < this.#end;
  }

  /** The next field's number and wire type in one: `number << 3 | type`. */
  tag(): number {
    this.#fieldsLeft -= 1;
    if (this.#fieldsLeft < 0) {
      this.#letGo();
      throw new StatusError(
        Status.RESOURCE_EXHAUSTED,
        `cannot read the request: it has more than ${MAX_FIELDS_PER_MESSAGE} fields, wanted fewer`,
      );
    }
    const position = this.#position;
    const first = position < this.#end ? (this.#bytes[position] as number) : 0x80;
    if (first < 0x80 && first > 7) {
      this.#position = position + 1;
      return first;
    }
    this.#varint();
    const tag = this.#low >>> 0;
    if (this.#high !== 0 || tag < 8) {
      throw this.#malformed('a field number out of range', '1 to 536870911');
    }
    return tag;
  }

  int32(): number {
    const position = this.#position;
    const first = position < this.#end ? (this.#bytes[position] as number) : 0x80;
    if (first < 0x80) {
      this.#position = position + 1;
      return first;
    }
    this.#varint();
    return this.#low;
  }

  int64(): number | bigint {
    const position = this.#position;
    const first = position < this.#end ? (this.#bytes[position] as number) : 0x80;
    if (first < 0x80) {
      this.#position = position + 1;
      return first;
    }
    this.#varint();
    const high = this.#high;
    return high >= -TWO_POWER_21 && high < TWO_POWER_21
      ? high * TWO_POWER_32 + (this.#low >>> 0)
      : BigInt(high) * BigInt(TWO_POWER_32) + BigInt(this.#low >>> 0);
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  /** `field` is the name of the field in its message. */
  string(field: string): string {
    const length = this.#length();
    const start = this.#take(length);
    const short = length <= MAX_SHORT_TEXT_BYTES ? readShortText(this.#bytes, start, length) : undefined;
    if (short !== undefined) {
      return short;
    }
    const text = this.#bytes.toString('utf8', start, start + length);
    // Checking the text first is free where it is ASCII or Latin-1: V8 knows that a string of one-byte characters has none above U+00FF.
    if (text.includes(REPLACEMENT_CHARACTER) && !isUtf8(this.#bytes.subarray(start, start + length))) {
      throw this.#invalidText(field);
    }
    return text;
  }

  bytes(): Buffer {
    const length = this.#length();
    const start = this.#take(length);
    return length === 0 ? EMPTY_BYTES : this.#bytes.subarray(start, start + length);
  }

  /**
   * Goes into a nested message, a map entry or a packed field; the answer is for `leave`. `field` is its name, `index` its place
   * among those of a repeated field.
   */
  enter(field: string, index = NO_INDEX): number {
    const length = this.#length();
    const outerEnd = this.#end;
    if (length > outerEnd - this.#position) {
      throw this.#malformed('a field that is longer than its message', 'a shorter one');
    }
    this.#deeper();
    this.#enteredNames[this.#depth] = field;
    this.#enteredIndexes[this.#depth] = index;
    this.#end = this.#position + length;
    return outerEnd;
  }

  leave(outerEnd: number): void {
    this.#depth -= 1;
    this.#end = outerEnd;
  }

  /** Passes over the field whose tag was read last: one that is not known, or not by this wire type. */
  skip(tag: number): void {
    switch (tag & 7) {
      case WireType.VARINT:
        this.#varint();
        return;
      case WireType.FIXED64:
        this.#take(8);
        return;
      case WireType.LENGTH:
        this.#take(this.#length());
        return;
      case WireType.GROUP:
        this.#skipGroup(tag >>> 3);
        return;
      case WireType.FIXED32:
        this.#take(4);
        return;
      default:
        throw this.#malformed(`wire type ${tag & 7}`, '0, 1, 2, 3 or 5');
    }
  }

  #skipGroup(fieldNumber: number): void {
    this.#deeper();
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) !== WireType.GROUP_END) {
        this.skip(tag);
      } else if (tag >>> 3 === fieldNumber) {
        this.#depth -= 1;
        return;
      } else {
        throw this.#malformed('the end of another group', `that of group ${fieldNumber}`);
      }
    }
  }

  #deeper(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw this.#malformed('nested too deep', `${MAX_DEPTH} levels at most`);
    }
  }

  /** Where the next `length` bytes start; they count as read. */
  #take(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) {
      throw this.#malformed('cut off', 'the whole field');
    }
    this.#position = start + length;
    return start;
  }

  #length(): number {
    const position = this.#position;
    const first = position < this.#end ? (this.#bytes[position] as number) : 0x80;
    if (first < 0x80) {
      this.#position = position + 1;
      return first;
    }
    this.#varint();
    if (this.#high !== 0) {
      throw this.#malformed('a length of 2^32 or more', 'one within the message');
    }
    return this.#low >>> 0;
  }

  /** Reads up to ten bytes into #low and #high; bits beyond the 64th are dropped. */
  #varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#position >= this.#end) {
        throw this.#malformed('cut off', 'the whole field');
      }
      const byte = this.#bytes[this.#position] as number;
      this.#position += 1;
      if (shift < 28) {
        low |= (byte & 0x7f) << shift;
      } else if (shift === 28) {
        low |= (byte & 0x7f) << 28;
        high = (byte & 0x7f) >>> 4;
      } else {
        high |= (byte & 0x7f) << (shift - 32);
      }
      if (byte < 0x80) {
        this.#low = low;
        this.#high = high;
        return;
      }
    }
    throw this.#malformed('a number of more than ten bytes', 'ten at most');
  }

  /** A decoder that throws does not reach `finish`. */
  #letGo(): void {
    this.#bytes = EMPTY_BYTES;
    this.#end = 0;
  }

  /** The error to throw for text that is not valid UTF-8. */
  #invalidText(field: string): StatusError {
    let path = '';
    for (let depth = 1; depth <= this.#depth; depth += 1) {
      const index = this.#enteredIndexes[depth] ?? NO_INDEX;
      path += `${this.#enteredNames[depth]}${index === NO_INDEX ? '' : `[${index}]`}.`;
    }
    this.#letGo();
    return new StatusError(
      Status.INVALID_ARGUMENT,
      `cannot read the request: ${path}${field} must be valid UTF-8, got bytes that are not`,
    );
  }

  /** The error to throw. */
  #malformed(found: string, wanted: string): Error {
    this.#letGo();
    return new Error(`cannot decode the message: byte ${this.#position} is ${found}, wanted ${wanted}`);
  }
}

/** Sets an own property whatever its name: plain assignment of `__proto__` would set the prototype or nothing. */
export function setEntry<Value>(map: Record<string, Value>, key: string, value: Value): void {
  if (key === '__proto__') {
    Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    map[key] = value;
  }
}
