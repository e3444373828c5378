/**
 * Generates random messages of any type of the contract with fast-check. The messages are plain objects like those that
 * handlers return, and contain unusual values as often as usual values.
 */
import fc from 'fast-check';
import { type Contract, type FieldDescriptor, FieldType } from '../../../src/grpc/descriptors.ts';

/** Generates objects that set any fields of the message, but at most one field of a oneof. */
export function messagesOf(contract: Contract, messageName: string): fc.Arbitrary<object> {
  const fields = contract.messages.get(messageName)?.fields ?? [];
  const entries = fields.map((field) =>
    fc.option(
      valuesOf(contract, field).map((value) => ({ field, value })),
      { nil: undefined },
    ),
  );
  return fc.tuple(...entries).map((chosen) => {
    const taken = new Set<number>();
    const message: Record<string, unknown> = {};
    for (const entry of chosen) {
      const oneof = entry?.field.oneofIndex;
      if (entry !== undefined && (oneof === undefined || !taken.has(oneof))) {
        message[entry.field.jsonName] = entry.value;
        if (oneof !== undefined) {
          taken.add(oneof);
        }
      }
    }
    return message;
  });
}

function valuesOf(contract: Contract, field: FieldDescriptor): fc.Arbitrary<unknown> {
  const entry = field.type === FieldType.MESSAGE ? contract.messages.get(field.typeName) : undefined;
  if (entry?.isMapEntry === true) {
    const [, value] = entry.fields;
    const values = value === undefined ? fc.constant('') : valuesOf(contract, value);
    return fc.array(fc.tuple(keys, values), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs));
  }
  const one = singleValuesOf(contract, field);
  return field.isRepeated ? fc.array(one, { maxLength: 4 }) : one;
}

/** Strings whose length prefix needs one or two bytes, and strings that are longer than a slab of the writer. */
const texts = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 70, size: 'max' }),
  fc.string({ unit: 'binary', maxLength: 70, size: 'max' }),
  fc
    .tuple(fc.string({ unit: 'binary', maxLength: 8 }), fc.integer({ min: 1, max: 300 }))
    .map(([text, times]) => text.repeat(times)),
);
const keys = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', '', '0'), texts);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 70, size: 'max' }),
  fc.integer({ min: 0, max: 20_000 }).map((length) => Buffer.alloc(length, 7)),
);
const whole32 = fc.oneof(fc.integer(), fc.integer({ min: -2, max: 300 }));
const longs = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -2, max: 300 }),
  fc.constantFrom(
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    -(2 ** 32),
    2 ** 53,
    2 ** 63,
    -(2 ** 63),
    1e300,
    Number.NaN,
    -0,
    1.5,
    -1.5,
  ),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.record({ low: fc.integer(), high: fc.integer() }),
);

function singleValuesOf(contract: Contract, field: FieldDescriptor): fc.Arbitrary<unknown> {
  switch (field.type) {
    case FieldType.STRING:
      return texts;
    case FieldType.BYTES:
      return fc.oneof(bytes, fc.base64String({ maxLength: 20 }));
    case FieldType.BOOL:
      return fc.boolean();
    case FieldType.INT32:
      return whole32;
    case FieldType.INT64:
      return longs;
    case FieldType.ENUM:
      return fc.oneof(fc.constantFrom(...(contract.enums.get(field.typeName)?.keys() ?? [])), whole32);
    case FieldType.MESSAGE:
      return messagesOf(contract, field.typeName);
    default:
      throw new Error(`cannot generate ${field.name}: type ${field.type} is not supported; add a case for it`);
  }
}
