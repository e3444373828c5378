/**
 * Converts between proto JSON and the plain objects that @grpc/proto-loader encodes and decodes. The conversion follows
 * the descriptors of the protos.
 *
 * Invariants:
 *   1. The module reports all errors of a request at once, each with its path ("limits[0].windowMs") and the accepted
 *      values.
 *   2. Keys may be camelCase or snake_case, enums may be names or numbers, and integers may be numbers or strings of
 *      digits. The value null means that a field is unset.
 *   3. Responses have camelCase keys in the order of the proto, enums by name, and all default values, so that `false`
 *      is visible.
 *   4. With `asText`, bytes are UTF-8 text. Bytes that are not UTF-8 have the form "base64:..." in both directions.
 *   5. Without `asText`, a base64 value whose bytes are not text causes a warning, because the user may have passed
 *      plain text.
 *
 * This module does not use protobuf-es, although `fromJson` with a registry parses the same JSON. The reasons are:
 *   - protobuf-es stops at the first error. For `{"namespace": 1, "fresh": 2, "kye": 3}` this module reports all three
 *     errors.
 *   - protobuf-es does not report the path of an error: `cannot decode message pannier.v1.Limit from JSON: key
 *     "windowMS" is unknown`. This module reports `unknown field "windowMS" in limits[0] (Limit); did you mean
 *     "windowMs"?`.
 *   - The error of protobuf-es for an unknown enum value does not contain the field: `cannot decode enum
 *     pannier.v1.FailureMode from JSON: "FAILURE_MODE_DENNY"`.
 *   - protobuf-es accepts 2^53 + 1 for an int64, but the sidecar rejects this value. protobuf-es also prints every
 *     int64 as a string. With protobuf-es, paths, suggestions and `--text` would need a second traversal of the
 *     descriptors, and that traversal is most of this file.
 */
import { isUtf8 } from 'node:buffer';
import { nearestOf } from '../config/nearest.ts';
import { type Contract, type FieldDescriptor, FieldType, type MessageDescriptor } from '../grpc/descriptors.ts';

export interface JsonRules {
  readonly contract: Contract;
  readonly asText: boolean;
}

export type Request =
  | { readonly message: object; readonly warnings: readonly string[] }
  | { readonly problems: readonly string[] };

interface Reader extends JsonRules {
  readonly problems: string[];
  readonly warnings: string[];
}

const BASE64_PREFIX = 'base64:';
const INTEGER_TYPES: ReadonlySet<number> = new Set([
  FieldType.INT32,
  FieldType.INT64,
  FieldType.UINT32,
  FieldType.UINT64,
]);
const MAX_INT32 = 2 ** 31 - 1;

export function requestFromJson(value: unknown, typeName: string, rules: JsonRules): Request {
  const reader: Reader = { ...rules, problems: [], warnings: [] };
  const message = readMessage(reader, value, typeName, '');
  if (reader.problems.length > 0) {
    return { problems: reader.problems };
  }
  return { message: message as object, warnings: reader.warnings };
}

export function responseToJson(message: object, typeName: string, rules: JsonRules): object {
  return writeMessage(rules, message as Record<string, unknown>, typeName);
}

export function messageOf(contract: Contract, typeName: string): MessageDescriptor {
  const descriptor = contract.messages.get(typeName);
  if (descriptor === undefined) {
    throw new Error(`cannot find message ${typeName}: the protos do not declare it`);
  }
  return descriptor;
}

/** Returns the value field of a map, or undefined if the field is not a map. */
export function mapValueOf(contract: Contract, field: FieldDescriptor): FieldDescriptor | undefined {
  if (field.type !== FieldType.MESSAGE) {
    return undefined;
  }
  const descriptor = messageOf(contract, field.typeName);
  return descriptor.isMapEntry ? descriptor.fields.find((each) => each.number === 2) : undefined;
}

function readMessage(reader: Reader, value: unknown, typeName: string, path: string): unknown {
  if (!isObject(value)) {
    return refuse(reader, path, value, 'an object');
  }
  const { fields } = messageOf(reader.contract, typeName);
  const entries: [string, unknown][] = [];
  const given = new Set<string>();
  for (const [key, each] of Object.entries(value)) {
    const place = path === '' ? key : `${path}.${key}`;
    const field = fields.find((candidate) => candidate.jsonName === key || candidate.name === key);
    if (field === undefined) {
      reader.problems.push(unknownField(key, { path, fields, typeName }));
    } else if (given.has(field.jsonName)) {
      reader.problems.push(`${place} must be set once, got both ${field.jsonName} and ${field.name}`);
    } else if (each !== null) {
      given.add(field.jsonName);
      entries.push([field.jsonName, readField(reader, each, field, place)]);
    }
  }
  return Object.fromEntries(entries);
}

function unknownField(
  key: string,
  { path, fields, typeName }: { path: string; fields: readonly FieldDescriptor[]; typeName: string },
): string {
  const names = fields.map((field) => field.jsonName);
  const nearest = nearestOf(key, names);
  const list = `must be ${names.length === 1 ? '' : 'one of '}${names.join(', ')}`;
  const accepted = names.length === 0 ? 'the message has no fields' : list;
  const hint = nearest === undefined ? accepted : `did you mean ${JSON.stringify(nearest)}?`;
  const message = path === '' ? shortName(typeName) : `${path} (${shortName(typeName)})`;
  return `unknown field ${JSON.stringify(key)} in ${message}; ${hint}`;
}

function readField(reader: Reader, value: unknown, field: FieldDescriptor, path: string): unknown {
  const mapValue = mapValueOf(reader.contract, field);
  if (mapValue !== undefined) {
    if (!isObject(value)) {
      return refuse(reader, path, value, 'an object');
    }
    // Every map in the protos has string keys.
    const entries = Object.entries(value).map(([key, each]) => {
      return [key, readSingle(reader, each, mapValue, `${path}[${JSON.stringify(key)}]`)];
    });
    return Object.fromEntries(entries);
  }
  if (!field.isRepeated) {
    return readSingle(reader, value, field, path);
  }
  if (!Array.isArray(value)) {
    return refuse(reader, path, value, 'an array');
  }
  return value.map((each, index) => readSingle(reader, each, field, `${path}[${index}]`));
}

function readSingle(reader: Reader, value: unknown, field: FieldDescriptor, path: string): unknown {
  if (INTEGER_TYPES.has(field.type)) {
    return readInteger(reader, value, field, path);
  }
  switch (field.type) {
    case FieldType.MESSAGE:
      return readMessage(reader, value, field.typeName, path);
    case FieldType.ENUM:
      return readEnum(reader, value, field.typeName, path);
    case FieldType.BYTES:
      return readBytes(reader, value, path);
    case FieldType.STRING:
      return typeof value === 'string' ? value : refuse(reader, path, value, 'a string');
    case FieldType.BOOL:
      return typeof value === 'boolean' ? value : refuse(reader, path, value, 'true or false');
    case FieldType.DOUBLE:
    case FieldType.FLOAT:
      return typeof value === 'number' ? value : refuse(reader, path, value, 'a number');
    default:
      throw new Error(`cannot read ${path}: field type ${field.type} is not supported`);
  }
}

function readInteger(reader: Reader, value: unknown, field: FieldDescriptor, path: string): unknown {
  const isText = typeof value === 'string' && /^-?\d+$/.test(value);
  const number = isText ? Number(value) : value;
  const isLong = field.type === FieldType.INT64 || field.type === FieldType.UINT64;
  const isSigned = field.type === FieldType.INT32 || field.type === FieldType.INT64;
  const maxUnsigned = isLong ? Number.MAX_SAFE_INTEGER : 2 ** 32 - 1;
  const max = isSigned && !isLong ? MAX_INT32 : maxUnsigned;
  const min = isSigned ? -max : 0;
  if (typeof number !== 'number') {
    return refuse(reader, path, value, 'an integer');
  }
  if (!Number.isInteger(number) || number > max || number < min) {
    reader.problems.push(`${path} must be an integer from ${min} to ${max}, got ${value}`);
    return undefined;
  }
  return number;
}

function readEnum(reader: Reader, value: unknown, typeName: string, path: string): unknown {
  const values = reader.contract.enums.get(typeName) ?? new Map<string, number>();
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= MAX_INT32) {
    return value;
  }
  if (typeof value !== 'string') {
    return refuse(reader, path, value, `a name or number of ${shortName(typeName)}`);
  }
  const number = values.get(value);
  if (number === undefined) {
    // The user may have written the name as in a policy file: `token_bucket` instead of `ALGORITHM_TOKEN_BUCKET`.
    const names = [...values.keys()];
    const nearest = names.find((name) => name.endsWith(`_${value.toUpperCase()}`)) ?? nearestOf(value, names);
    const accepted = nearest === undefined ? `one of ${names.join(', ')}` : `a value of ${shortName(typeName)}`;
    const hint = nearest === undefined ? '' : `; did you mean ${JSON.stringify(nearest)}?`;
    reader.problems.push(`${path} must be ${accepted}, got ${JSON.stringify(value)}${hint}`);
  }
  return number;
}

function readBytes(reader: Reader, value: unknown, path: string): unknown {
  if (typeof value !== 'string') {
    return refuse(reader, path, value, reader.asText ? 'a string' : 'a base64 string (or plain text with --text)');
  }
  if (reader.asText && !value.startsWith(BASE64_PREFIX)) {
    return Buffer.from(value, 'utf8');
  }
  const encoded = reader.asText ? value.slice(BASE64_PREFIX.length) : value;
  const digits = encoded.replace(/=+$/, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(encoded) || digits.length % 4 === 1) {
    const accepted = reader.asText ? 'valid base64 after "base64:"' : 'base64 (or plain text with --text)';
    reader.problems.push(`${path} must be ${accepted}, got other text`);
    return undefined;
  }
  const bytes = Buffer.from(encoded, 'base64');
  if (!reader.asText && !isText(bytes)) {
    reader.warnings.push(
      `${path} decodes from base64 to bytes that are not text; if the value is plain text, add --text`,
    );
  }
  return bytes;
}

/** Returns whether the bytes are UTF-8 without control characters other than tab, line feed and carriage return. */
function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !/[^\P{Cc}\t\n\r]/u.test(bytes.toString('utf8'));
}

function refuse(reader: Reader, path: string, value: unknown, accepted: string): undefined {
  reader.problems.push(`${path === '' ? 'the request' : path} must be ${accepted}, got ${kindOf(value)}`);
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === null) {
    return 'null';
  }
  if (Array.isArray(value)) {
    return 'an array';
  }
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Drops the package: `pannier.v1.Limit` becomes `Limit`. */
export function shortName(typeName: string): string {
  return typeName.slice(typeName.lastIndexOf('.') + 1);
}

function writeMessage(rules: JsonRules, message: Record<string, unknown>, typeName: string): object {
  const entries: [string, unknown][] = [];
  for (const field of messageOf(rules.contract, typeName).fields) {
    const value = message[field.jsonName];
    // The output omits an unset field if it is optional, a member of a oneof, or a message.
    if (value !== undefined && value !== null) {
      entries.push([field.jsonName, writeField(rules, value, field)]);
    }
  }
  return Object.fromEntries(entries);
}

function writeField(rules: JsonRules, value: unknown, field: FieldDescriptor): unknown {
  const mapValue = mapValueOf(rules.contract, field);
  if (mapValue !== undefined) {
    const entries = Object.entries(value as object);
    return Object.fromEntries(entries.map(([key, each]) => [key, writeSingle(rules, each, mapValue)]));
  }
  if (field.isRepeated) {
    return (value as unknown[]).map((each) => writeSingle(rules, each, field));
  }
  return writeSingle(rules, value, field);
}

function writeSingle(rules: JsonRules, value: unknown, field: FieldDescriptor): unknown {
  switch (field.type) {
    case FieldType.MESSAGE:
      return writeMessage(rules, value as Record<string, unknown>, field.typeName);
    case FieldType.ENUM: {
      const values = rules.contract.enums.get(field.typeName) ?? [];
      const named = [...values].find(([, number]) => number === value);
      return named === undefined ? value : named[0];
    }
    case FieldType.BYTES:
      return writeBytes(value as Buffer, rules.asText);
    default:
      return value;
  }
}

function writeBytes(bytes: Buffer, asText: boolean): string {
  if (!asText) {
    return bytes.toString('base64');
  }
  const text = bytes.toString('utf8');
  const isExact = Buffer.from(text, 'utf8').equals(bytes) && !text.startsWith(BASE64_PREFIX);
  return isExact ? text : `${BASE64_PREFIX}${bytes.toString('base64')}`;
}
