/**
 * Reads the protobuf wire format. The generated decoders (src/grpc/generated/codec) call the reader field by field.
 *
 * One reader serves all messages: `start` sets the bytes to read, and `finish` releases them. Reading allocates memory
 * only for the decoded values.
 *
 * Invariants:
 *   1. No read goes beyond the end of the message, or beyond the end of the nested message that was entered. The reader
 *      throws an error for malformed bytes.
 *   2. MAX_DEPTH limits the nesting of messages and unknown groups.
 *   3. The reader throws a StatusError for a message with more than MAX_FIELDS_PER_MESSAGE fields. An empty nested
 *      message uses two bytes on the wire but about a hundred bytes in memory, so 4 MiB of empty messages could exhaust
 *      a small heap.
 *   4. 64-bit integers are exact, so that an error can contain the exact value. The reader returns integers up to
 *      +-2^53 as numbers, and larger integers as bigints.
 *   5. For text that is not valid UTF-8, the reader throws a StatusError with INVALID_ARGUMENT and the path of the
 *      field. If the reader replaced invalid bytes with U+FFFD, different keys or users could have the same name.
 *   6. The value of a bytes field is a view of the message. After `finish` or an exception, the reader has no reference
 *      to a message.
 */
import { isUtf8 } from 'node:buffer';
import { Status, StatusError } from '../status.ts';
import { MAX_SHORT_TEXT_BYTES, readShortText } from './short-text.ts';

/** Maximum nesting depth; other protobuf implementations use the same default. */
const MAX_DEPTH = 100;
/**
 * Maximum number of fields of a message, including nested and unknown fields. A valid request has at most 13,000
 * fields.
 */
export const MAX_FIELDS_PER_MESSAGE = 65_536;
const TWO_POWER_21 = 2 ** 21;
const TWO_POWER_32 = 2 ** 32;
/** Character with which Buffer replaces invalid UTF-8. Valid text may also contain this character. */
const REPLACEMENT_CHARACTER = '\u{FFFD}';
/** Value that the list of indexes contains for a field that is not repeated. */
const NO_INDEX = -1;
export const EMPTY_BYTES: Buffer = Buffer.alloc(0);

const WireType = { VARINT: 0, FIXED64: 1, LENGTH: 2, GROUP: 3, GROUP_END: 4, FIXED32: 5 } as const;

export class WireReader {
  #bytes: Buffer = EMPTY_BYTES;
  #position = 0;
  /** End of the innermost message that is being read. */
  #end = 0;
  #depth = 0;
  /** Names of the entered fields by depth. Together with the indexes, the names form the path in an error. */
  readonly #enteredNames: string[] = [''];
  /** Indexes of the entered fields by depth, or NO_INDEX for fields that are not repeated. */
  readonly #enteredIndexes: number[] = [NO_INDEX];
  #fieldsLeft = 0;
  /** Lower 32 bits of the last long varint, signed because of bit operations. */
  #low = 0;
  /** Upper 32 bits of the last long varint. */
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

  /** Returns the field number and wire type of the next field: `number << 3 | type`. */
  tag(): number {
    this.#fieldsLeft -= 1;
    if (this.#fieldsLeft < 0) {
      this.#release();
      throw new StatusError(
        Status.RESOURCE_EXHAUSTED,
        `cannot read the request: it has more than ${MAX_FIELDS_PER_MESSAGE} fields; send fewer fields`,
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
      throw this.#malformed(`field number must be between 1 and 536870911, got ${this.#high === 0 ? 0 : 'more'}`);
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

  /** Reads a string. `field` is the name of the field, for the path in an error. */
  string(field: string): string {
    const length = this.#length();
    const start = this.#take(length);
    const short = length <= MAX_SHORT_TEXT_BYTES ? readShortText(this.#bytes, start, length) : undefined;
    if (short !== undefined) {
      return short;
    }
    const text = this.#bytes.toString('utf8', start, start + length);
    // The first check is fast for ASCII and Latin-1. V8 stores such text with one byte per character, so V8 need not
    // search such text for a character above U+00FF.
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
   * Enters a nested message, a map entry or a packed field. `field` is the name of the field, and `index` is the
   * position in a repeated field. The caller must pass the returned value to `leave`.
   */
  enter(field: string, index = NO_INDEX): number {
    const length = this.#length();
    const outerEnd = this.#end;
    if (length > outerEnd - this.#position) {
      throw this.#malformed('a field must end within its message, got a longer field');
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

  /** Skips the field whose tag was read last, because its number is unknown or its wire type is unexpected. */
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
        throw this.#malformed(`wire type must be 0, 1, 2, 3 or 5, got ${tag & 7}`);
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
        throw this.#malformed(`the end group tag must be of field ${fieldNumber}, got field ${tag >>> 3}`);
      }
    }
  }

  #deeper(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw this.#malformed(`nesting must have at most ${MAX_DEPTH} levels, got more`);
    }
  }

  /** Skips `length` bytes. Returns their start. */
  #take(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) {
      throw this.#truncated();
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
      throw this.#malformed('a length must be below 2^32, got more');
    }
    return this.#low >>> 0;
  }

  /** Reads a varint of up to ten bytes into #low and #high. Drops all bits after the 64th bit. */
  #varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#position >= this.#end) {
        throw this.#truncated();
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
    throw this.#malformed('a varint must have at most 10 bytes, got more');
  }

  /**
   * Releases the message before the reader throws an exception, because a decoder that throws does not call `finish`.
   */
  #release(): void {
    this.#bytes = EMPTY_BYTES;
    this.#end = 0;
  }

  /** Returns the error for text that is not valid UTF-8. */
  #invalidText(field: string): StatusError {
    let path = '';
    for (let depth = 1; depth <= this.#depth; depth += 1) {
      const index = this.#enteredIndexes[depth] ?? NO_INDEX;
      path += `${this.#enteredNames[depth]}${index === NO_INDEX ? '' : `[${index}]`}.`;
    }
    this.#release();
    return new StatusError(Status.INVALID_ARGUMENT, `${path}${field} must be valid UTF-8, got invalid bytes`);
  }

  /** Returns the error for malformed bytes. */
  #malformed(cause: string): Error {
    this.#release();
    return new Error(`cannot decode the message: ${cause}`);
  }

  #truncated(): Error {
    return this.#malformed(`the field at byte ${this.#position} must be complete, got a truncated field`);
  }
}

/** Sets an own property with any name. A plain assignment to `__proto__` would change the prototype instead. */
export function setEntry<Value>(map: Record<string, Value>, key: string, value: Value): void {
  if (key === '__proto__') {
    Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    map[key] = value;
  }
}
