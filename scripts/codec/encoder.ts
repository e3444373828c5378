/**
 * Generates the encoders of the responses in a proto file. Each message has one function that writes its fields in the
 * order of their numbers.
 *
 * 1. An encoder omits a plain field that has its default value, as proto3 specifies.
 * 2. An encoder writes a field that is `optional` or in a oneof if and only if the field is set.
 */
import { tagOf, wireTypeOf } from './decoder.ts';
import type { FieldModel, FileModel, MessageModel, ValueModel } from './model.ts';

const LENGTH = 2;

export function encoderLines(file: FileModel): string[] {
  const roots = new Set(file.methods.map((method) => method.response.fullName));
  return file.encoded.flatMap((message) => [
    ...(roots.has(message.fullName) ? entryLines(message) : []),
    ...(message.fields.length > 0 ? writerLines(message) : []),
  ]);
}

function entryLines({ type, fields }: MessageModel): string[] {
  const isEmpty = fields.length === 0;
  return [
    '',
    `export function encode${type.local}(${isEmpty ? '_message' : 'message'}: ${type.local}): Buffer {`,
    '  writer.start();',
    ...(isEmpty ? [] : [`  write${type.local}(message);`]),
    '  return writer.finish();',
    '}',
  ];
}

function writerLines(message: MessageModel): string[] {
  const fields = message.fields.toSorted((left, right) => left.number - right.number);
  return [
    '',
    `function write${message.type.local}(message: ${message.type.local}): void {`,
    ...fields.flatMap((field) => fieldLines(message, field)),
    '}',
  ];
}

function fieldLines(message: MessageModel, field: FieldModel): string[] {
  const target = `message.${field.name}`;
  switch (field.shape) {
    case 'map':
      return mapLines(message, field, target);
    case 'repeated':
      return repeatedLines(field, target);
    default: {
      const isWritten =
        field.isPresent || field.value.kind === 'message' ? `${target} != null` : isSet(field.value, target);
      const tag = tagOf(field.number, wireTypeOf(field.value));
      return [`  if (${isWritten}) {`, ...valueLines(field.value, tag, target, field.number), '  }'];
    }
  }
}

function isSet(value: ValueModel, target: string): string {
  return value.kind === 'bytes' ? `${target}?.length` : target;
}

function mapLines(message: MessageModel, field: FieldModel & { shape: 'map' }, target: string): string[] {
  const { value } = field;
  const type = `NonNullable<${message.type.local}['${field.name}']>[string]`;
  return [
    `  if (${target} != null) {`,
    `    const map = ${target};`,
    '    for (const key of Object.keys(map)) {',
    `      const entry = writer.open(${tagOf(field.number, LENGTH)});`,
    `      writer.string(${tagOf(1, LENGTH)}, key);`,
    ...valueLines(value, tagOf(2, wireTypeOf(value)), `map[key] as ${type}`, field.number).map((line) => `  ${line}`),
    '      writer.close(entry);',
    '    }',
    '  }',
  ];
}

function repeatedLines(field: FieldModel & { shape: 'repeated' }, target: string): string[] {
  const { value } = field;
  const tag = tagOf(field.number, LENGTH);
  if (wireTypeOf(value) === LENGTH) {
    return [
      `  if (${target} != null) {`,
      `    for (const each of ${target}) {`,
      ...valueLines(value, tag, 'each', field.number).map((line) => `  ${line}`),
      '    }',
      '  }',
    ];
  }
  if (value.kind !== 'int32') {
    throw new Error(`cannot generate ${target}: a packed field of a response must be int32, got ${value.kind}`);
  }
  return [
    `  if (${target}?.length) {`,
    `    const packed = writer.open(${tag});`,
    `    for (const each of ${target}) {`,
    '      writer.packedInt32(each);',
    '    }',
    '    writer.close(packed);',
    '  }',
  ];
}

function valueLines(value: ValueModel, tag: number, target: string, fieldNumber: number): string[] {
  if (value.kind === 'enum') {
    return [`    writer.enumeration(${tag}, ${target}, ${value.type.local});`];
  }
  if (value.kind !== 'message') {
    return [`    writer.${value.kind}(${tag}, ${target});`];
  }
  const name = `field${fieldNumber}`;
  return [
    `    const ${name} = writer.open(${tag});`,
    ...(value.isEmpty ? [] : [`    write${value.type.local}(${target});`]),
    `    writer.close(${name});`,
  ];
}
