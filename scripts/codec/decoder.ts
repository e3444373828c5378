/**
 * Generates the decoders of the requests in a proto file. Each message has one function that reads its fields into an
 * object. The object has all defaults from the start, so that V8 uses the same hidden class for all objects of a
 * message.
 *
 * 1. The number and the wire type identify a field. A decoder skips a field with another wire type, as it skips an
 *    unknown field.
 * 2. A decoder accepts a repeated field of numbers both packed and unpacked.
 * 3. If a message contains several members of a oneof, the decoder keeps only the last member.
 * 4. If a nested message occurs twice, the decoder merges the two occurrences, as the protobuf specification requires.
 */
import type { FieldModel, FileModel, MessageModel, ValueModel } from './model.ts';

const VARINT = 0;
const LENGTH = 2;
type SingleField = Extract<FieldModel, { shape: 'single' }>;

export function decoderLines(file: FileModel): string[] {
  const roots = new Set(file.methods.map((method) => method.request.fullName));
  const mergeable = new Set(file.decoded.flatMap((message) => message.fields).flatMap(nestedOnce));
  return file.decoded.flatMap((message) => [
    ...(roots.has(message.fullName) ? entryLines(message) : []),
    ...readerLines(message, mergeable.has(message.fullName)),
    ...message.fields.flatMap((field) => (field.shape === 'map' ? mapEntryLines(message, field) : [])),
  ]);
}

function nestedOnce(field: FieldModel): string[] {
  return field.shape === 'single' && field.value.kind === 'message' ? [field.value.fullName] : [];
}

function entryLines({ type }: MessageModel): string[] {
  return [
    '',
    `export function decode${type.local}(bytes: Buffer): ${type.local}Output {`,
    '  reader.start(bytes);',
    `  const message = read${type.local}();`,
    '  reader.finish();',
    '  return message;',
    '}',
  ];
}

function readerLines(message: MessageModel, isMergeable: boolean): string[] {
  const { local } = message.type;
  const parameter = isMergeable ? `into?: ${local}Output | null` : '';
  return [
    '',
    `function read${local}(${parameter}): ${local}Output {`,
    `  const message: ${local}Output = ${isMergeable ? 'into ?? ' : ''}${defaultsOf(message)};`,
    '  while (reader.hasMore()) {',
    '    const tag = reader.tag();',
    '    switch (tag) {',
    ...message.fields.flatMap((field) => caseLines(message, field)),
    '      default:',
    '        reader.skip(tag);',
    '    }',
    '  }',
    '  return message;',
    '}',
  ];
}

function defaultsOf(message: MessageModel): string {
  const defaults = message.fields
    .filter((field) => field.shape !== 'single' || !field.isPresent)
    .map((field) => `    ${field.name}: ${defaultOf(field)},`);
  return defaults.length === 0 ? '{}' : ['{', ...defaults, '  }'].join('\n');
}

function defaultOf(field: FieldModel): string {
  if (field.shape !== 'single') {
    return field.shape === 'map' ? '{}' : '[]';
  }
  return scalarDefault(field.value);
}

function scalarDefault(value: ValueModel): string {
  switch (value.kind) {
    case 'string':
      return "''";
    case 'bytes':
      return 'EMPTY_BYTES';
    case 'bool':
      return 'false';
    case 'message':
      return 'null';
    default:
      return '0';
  }
}

function caseLines(message: MessageModel, field: FieldModel): string[] {
  const target = `message.${field.name}`;
  if (field.shape === 'map') {
    return [labelOf(field, LENGTH), `        ${mapReaderOf(message, field)}(${target});`, '        break;'];
  }
  const type = `${message.type.local}Output['${field.name}']`;
  if (field.shape === 'repeated') {
    return repeatedLines(field, target, `${type}[number]`);
  }
  const { value } = field;
  const cleared = field.siblings.flatMap((sibling) => [
    `        if (message.${sibling} !== undefined) {`,
    `          delete message.${sibling};`,
    '        }',
  ]);
  const read =
    value.kind === 'message'
      ? nestedLines(value, target, field)
      : [`        ${target} = ${readCall(value, field.protoName, type)};`];
  return [labelOf(field, wireTypeOf(value)), ...cleared, ...read, '        break;'];
}

function nestedLines(value: ValueModel & { kind: 'message' }, target: string, field: SingleField): string[] {
  return [
    enterLine(field),
    `        ${target} = read${value.type.local}(${target});`,
    `        reader.leave(end${field.number});`,
  ];
}

function repeatedLines(field: FieldModel & { shape: 'repeated' }, target: string, elementType: string): string[] {
  const { value } = field;
  if (value.kind === 'message') {
    return [
      labelOf(field, LENGTH),
      enterLine(field, `, ${target}.length`),
      `        ${target}.push(read${value.type.local}());`,
      `        reader.leave(end${field.number});`,
      '        break;',
    ];
  }
  const one = [
    labelOf(field, wireTypeOf(value)),
    `        ${target}.push(${readCall(value, field.protoName, elementType)});`,
    '        break;',
  ];
  if (wireTypeOf(value) === LENGTH) {
    return one;
  }
  return [
    ...one,
    labelOf(field, LENGTH),
    enterLine(field),
    '        while (reader.hasMore()) {',
    `          ${target}.push(${readCall(value, field.protoName, elementType)});`,
    '        }',
    `        reader.leave(end${field.number});`,
    '        break;',
  ];
}

function enterLine(field: FieldModel, index = ''): string {
  return `        const end${field.number} = reader.enter('${field.protoName}'${index});`;
}

function labelOf(field: FieldModel, wireType: number): string {
  return `      case ${tagOf(field.number, wireType)}: // ${field.name} = ${field.number}`;
}

function readCall(value: ValueModel, protoName: string, type: string): string {
  switch (value.kind) {
    case 'enum':
      return `reader.int32() as ${type}`;
    case 'string':
      return `reader.string('${protoName}')`;
    default:
      return `reader.${value.kind}()`;
  }
}

function mapReaderOf(message: MessageModel, field: FieldModel): string {
  return `read${message.type.local}${field.name.charAt(0).toUpperCase()}${field.name.slice(1)}Entry`;
}

/** Generates the function that reads a map entry. A missing key or value has the default of its type. */
function mapEntryLines(message: MessageModel, field: FieldModel & { shape: 'map' }): string[] {
  const mapType = `${message.type.local}Output['${field.name}']`;
  const { value } = field;
  return [
    '',
    `function ${mapReaderOf(message, field)}(map: ${mapType}): void {`,
    `  const outerEnd = reader.enter('${field.protoName}');`,
    "  let key = '';",
    `  let value: ${mapType}[string] = ${scalarDefault(value)};`,
    '  while (reader.hasMore()) {',
    '    const tag = reader.tag();',
    '    switch (tag) {',
    `      case ${tagOf(1, LENGTH)}:`,
    "        key = reader.string('key');",
    '        break;',
    `      case ${tagOf(2, wireTypeOf(value))}:`,
    `        value = ${readCall(value, 'value', `${mapType}[string]`)};`,
    '        break;',
    '      default:',
    '        reader.skip(tag);',
    '    }',
    '  }',
    '  reader.leave(outerEnd);',
    '  setEntry(map, key, value);',
    '}',
  ];
}

export function wireTypeOf(value: ValueModel): number {
  return value.kind === 'string' || value.kind === 'bytes' || value.kind === 'message' ? LENGTH : VARINT;
}

export function tagOf(fieldNumber: number, wireType: number): number {
  return fieldNumber * 8 + wireType;
}
