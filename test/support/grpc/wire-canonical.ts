/**
 * Converts a message to its canonical form. This form contains each known field once, with its declared wire type, and
 * nothing else. The code follows the protobuf specification and shares no code with our decoder.
 *
 * Our decoder must read any bytes in the same way as protobufjs reads the canonical form of these bytes. Tests do not
 * let protobufjs decode the original bytes, because protobufjs differs from the specification in cases that
 * well-behaved clients never produce:
 *   - It ignores the wire type of a tag and reads the declared type.
 *   - It keeps all members of a oneof, instead of only the last member.
 *   - If a nested message occurs twice, it keeps only the second occurrence, instead of merging both occurrences.
 *   - It accepts truncated strings, and strings that are not valid UTF-8.
 *   - It reads wrong numbers from some varints that are longer than necessary.
 */
import { isUtf8 } from 'node:buffer';
import { type Contract, type FieldDescriptor, FieldType } from '../../../src/grpc/descriptors.ts';

const MAX_DEPTH = 100;
const MAX_VARINT_BYTES = 10;

/** Returns the canonical form. Throws if `bytes` is not a valid message. */
export function canonicalMessage(contract: Contract, messageName: string, bytes: Buffer): Buffer {
  return canonical({ contract, depth: 0 }, messageName, bytes);
}

interface Place {
  readonly contract: Contract;
  readonly depth: number;
}

function canonical(place: Place, messageName: string, bytes: Buffer): Buffer {
  if (place.depth > MAX_DEPTH) {
    throw new Error(`nesting must have at most ${MAX_DEPTH} levels, got more`);
  }
  const fields = place.contract.messages.get(messageName)?.fields ?? [];
  // Values by field: numbers as bigint, everything else as bytes.
  const values = new Map<FieldDescriptor, (bigint | Buffer)[]>();
  for (const { number, value } of parse(bytes, place.depth)) {
    const field = fields.find((each) => each.number === number);
    const fitting = field === undefined || value === undefined ? undefined : valuesIn(field, value);
    if (field === undefined || fitting === undefined) {
      continue;
    }
    for (const sibling of fields) {
      if (sibling !== field && field.oneofIndex !== undefined && sibling.oneofIndex === field.oneofIndex) {
        values.delete(sibling);
      }
    }
    // Each nested message must be valid by itself, before it is merged with others.
    if (field.type === FieldType.MESSAGE) {
      canonical({ ...place, depth: place.depth + 1 }, field.typeName, fitting[0] as Buffer);
    }
    const isKept = field.isRepeated || field.type === FieldType.MESSAGE;
    values.set(field, [...(isKept ? (values.get(field) ?? []) : []), ...fitting]);
  }
  return Buffer.concat([...values].map(([field, found]) => emit(place, field, found)));
}

/** Returns the values of a field, or undefined if the wire type is not the declared type. */
function valuesIn(field: FieldDescriptor, value: bigint | Buffer): (bigint | Buffer)[] | undefined {
  const isNumber = !isLengthDelimited(field);
  if (isNumber !== Buffer.isBuffer(value)) {
    if (field.type === FieldType.STRING && !isUtf8(value as Buffer)) {
      throw new Error('text must be valid UTF-8, got invalid bytes');
    }
    return [value];
  }
  if (!isNumber || !field.isRepeated) {
    return undefined;
  }
  const packed: bigint[] = [];
  const cursor = { bytes: value as Buffer, at: 0 };
  while (cursor.at < cursor.bytes.length) {
    packed.push(readVarint(cursor));
  }
  return packed;
}

function emit(place: Place, field: FieldDescriptor, values: readonly (bigint | Buffer)[]): Buffer {
  const tag = BigInt(field.number * 8 + (isLengthDelimited(field) ? 2 : 0));
  const inner = { ...place, depth: place.depth + 1 };
  const isMerged = field.type === FieldType.MESSAGE && !field.isRepeated;
  const merged = isMerged ? [Buffer.concat(values as Buffer[])] : values;
  const isEntry = place.contract.messages.get(field.typeName)?.isMapEntry === true;
  return Buffer.concat(
    merged.flatMap((value) => {
      if (typeof value === 'bigint') {
        return [varint(tag), varint(numberOf(field, value))];
      }
      const content = field.type === FieldType.MESSAGE ? canonical(inner, field.typeName, value) : value;
      const whole = isEntry ? wholeEntry(content) : content;
      return [varint(tag), varint(BigInt(whole.length)), whole];
    }),
  );
}

/**
 * Prepends an empty key and an empty value, which apply if the entry contains no key or no value. In the contract, the
 * keys and values of all maps are strings or bytes.
 */
function wholeEntry(content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x0a, 0, 0x12, 0]), content]);
}

function numberOf(field: FieldDescriptor, value: bigint): bigint {
  switch (field.type) {
    case FieldType.BOOL:
      return value === 0n ? 0n : 1n;
    case FieldType.INT64:
      return value;
    default:
      return BigInt.asUintN(64, BigInt.asIntN(32, value));
  }
}

function isLengthDelimited(field: FieldDescriptor): boolean {
  return field.type === FieldType.STRING || field.type === FieldType.BYTES || field.type === FieldType.MESSAGE;
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/** Parses the fields of a message in order. For groups and fields of fixed length, the value is undefined. */
function parse(bytes: Buffer, depth: number): { number: number; value: bigint | Buffer | undefined }[] {
  const cursor = { bytes, at: 0 };
  const fields: { number: number; value: bigint | Buffer | undefined }[] = [];
  while (cursor.at < bytes.length) {
    const { number, wireType } = readTag(cursor);
    fields.push({ number, value: readValue(cursor, number, wireType, depth) });
  }
  return fields;
}

function readTag(cursor: Cursor): { number: number; wireType: number } {
  const tag = readVarint(cursor);
  if (tag < 8n || tag >= 2n ** 32n) {
    throw new Error(`tag must be between 8 and 4294967295, got ${tag}`);
  }
  return { number: Number(tag >> 3n), wireType: Number(tag & 7n) };
}

function readValue(cursor: Cursor, number: number, wireType: number, depth: number): bigint | Buffer | undefined {
  switch (wireType) {
    case 0:
      return readVarint(cursor);
    case 1:
      take(cursor, 8);
      return undefined;
    case 2:
      return take(cursor, Number(readVarint(cursor)));
    case 3:
      skipGroup(cursor, number, depth + 1);
      return undefined;
    case 5:
      take(cursor, 4);
      return undefined;
    default:
      throw new Error(`wire type must be 0, 1, 2, 3 or 5, got ${wireType}`);
  }
}

function skipGroup(cursor: Cursor, number: number, depth: number): void {
  if (depth > MAX_DEPTH) {
    throw new Error(`nesting must have at most ${MAX_DEPTH} levels, got more`);
  }
  for (;;) {
    const tag = readTag(cursor);
    if (tag.wireType === 4) {
      if (tag.number !== number) {
        throw new Error(`end of group must have number ${number}, got ${tag.number}`);
      }
      return;
    }
    readValue(cursor, tag.number, tag.wireType, depth);
  }
}

function take(cursor: Cursor, length: number): Buffer {
  if (cursor.at + length > cursor.bytes.length) {
    throw new Error(`message must have ${length} more bytes, got ${cursor.bytes.length - cursor.at}`);
  }
  cursor.at += length;
  return cursor.bytes.subarray(cursor.at - length, cursor.at);
}

function readVarint(cursor: Cursor): bigint {
  let value = 0n;
  for (let index = 0n; index < MAX_VARINT_BYTES; index += 1n) {
    const [byte = 0] = take(cursor, 1);
    value |= BigInt(byte & 0x7f) << (7n * index);
    if (byte < 0x80) {
      return BigInt.asUintN(64, value);
    }
  }
  throw new Error(`varint must have at most ${MAX_VARINT_BYTES} bytes, got more`);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
  return Buffer.from([...bytes, Number(rest)]);
}
