/**
 * Tests that text which is not valid UTF-8 ends a call with INVALID_ARGUMENT and the path of the field. The tests cover
 * every `string` field and map key of every request, at any depth. The tests read the fields from the descriptors, and
 * therefore cover new fields too.
 */
import { type Contract, type FieldDescriptor, FieldType, readContract } from '../descriptors.ts';
import { METHOD_CODECS } from '../generated/codec/methods.ts';
import { Status, StatusError } from '../status.ts';

const contract = readContract();
const INVALID = Buffer.from([0x61, 0xff]);
const VALID = Buffer.from('Größe 日本語 \u{1F600} \u{FFFD}');

interface TextField {
  readonly method: string;
  /** Path of the field as it appears in the error. */
  readonly path: string;
  /** Encodes a request whose field contains `text`. */
  readonly encode: (text: Buffer) => Buffer;
}

function lengthDelimited(fieldNumber: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([...varint(fieldNumber * 8 + 2), ...varint(content.length)]), content]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

function textFieldsOf(messageName: string, method: string): TextField[] {
  const fields = contract.messages.get(messageName)?.fields ?? [];
  return fields.flatMap((field) => textFieldsIn(contract, field, method));
}

function textFieldsIn(all: Contract, field: FieldDescriptor, method: string): TextField[] {
  if (field.type === FieldType.STRING) {
    return [{ method, path: field.name, encode: (text) => lengthDelimited(field.number, text) }];
  }
  if (field.type !== FieldType.MESSAGE) {
    return [];
  }
  const isMap = all.messages.get(field.typeName)?.isMapEntry === true;
  // Uses the second element of a repeated field, because the path must contain its index.
  const before = field.isRepeated && !isMap ? lengthDelimited(field.number, Buffer.alloc(0)) : Buffer.alloc(0);
  const name = field.isRepeated && !isMap ? `${field.name}[1]` : field.name;
  return textFieldsOf(field.typeName, method).map(({ path, encode }) => ({
    method,
    path: `${name}.${path}`,
    encode: (text) => Buffer.concat([before, lengthDelimited(field.number, encode(text))]),
  }));
}

const textFields = [...contract.services].flatMap(([service, methods]) =>
  methods.flatMap((method) => textFieldsOf(method.requestType, `/${service}/${method.name}`)),
);

test('covers nested fields and map keys', () => {
  const paths = textFields.map(({ method, path }) => `${method.split('/').at(-1)} ${path}`);
  expect(paths).toEqual(
    expect.arrayContaining([
      'CheckRateLimit key',
      'CheckRateLimits checks[1].limits[1].name',
      'CreateSession user_id',
      'CreateSession data.key',
    ]),
  );
});

test.each(textFields)('$method rejects invalid UTF-8 in $path and names the field', ({ method, path, encode }) => {
  const codec = METHOD_CODECS.get(method);
  expect(() => codec?.decode(encode(INVALID))).toThrow(
    new StatusError(Status.INVALID_ARGUMENT, `${path} must be valid UTF-8, got invalid bytes`),
  );
  expect(JSON.stringify(codec?.decode(encode(VALID)))).toContain(VALID.toString());
});
