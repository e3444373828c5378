/**
 * Reads the descriptor set of the contract (proto/descriptor-set.binpb), which buf builds from proto/ and third_party/.
 * Reflection, health, `pannier call` and the generator of the codecs (scripts/generate-codecs.ts) use this module.
 *
 *   1. The module reads the set once, on first use. Reading takes about 6 ms.
 *   2. The module skips fields of descriptor.proto that no caller needs.
 *
 * This module does not use protobufjs, which loses map fields when it converts protos to descriptors or descriptors to
 * protos.
 */
import { readBinaryAsset } from '../lib/assets.ts';

/** Numbers of `FieldDescriptorProto.Type`. */
export const FieldType = {
  DOUBLE: 1,
  FLOAT: 2,
  INT64: 3,
  UINT64: 4,
  INT32: 5,
  BOOL: 8,
  STRING: 9,
  MESSAGE: 11,
  BYTES: 12,
  UINT32: 13,
  ENUM: 14,
} as const;

export interface FieldDescriptor {
  /** Name in the .proto file. */
  readonly name: string;
  /** Name in lowerCamelCase. */
  readonly jsonName: string;
  readonly number: number;
  readonly type: number;
  /** Full name of the message or enum, without the leading dot; empty for other types. */
  readonly typeName: string;
  readonly isRepeated: boolean;
  /** Index of the oneof that contains the field. protoc also generates a oneof for each `optional` field. */
  readonly oneofIndex: number | undefined;
}

export interface MessageDescriptor {
  readonly fields: readonly FieldDescriptor[];
  /** True for the entry type that protoc generates for a map field. */
  readonly isMapEntry: boolean;
}

export interface MethodDescriptor {
  readonly name: string;
  readonly requestType: string;
  readonly responseType: string;
  readonly isRequestStream: boolean;
  readonly isResponseStream: boolean;
}

export interface FileDescriptor {
  readonly name: string;
  /** Serialized FileDescriptorProto. */
  readonly bytes: Buffer;
  readonly dependencies: readonly string[];
}

/** Declarations of the contract by full name, e.g. `pannier.v1.CheckRateLimitRequest`. */
export interface Contract {
  readonly files: ReadonlyMap<string, FileDescriptor>;
  readonly services: ReadonlyMap<string, readonly MethodDescriptor[]>;
  readonly messages: ReadonlyMap<string, MessageDescriptor>;
  readonly enums: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** File that declares a service, method, message, field, enum or enum value. */
  readonly fileOfSymbol: ReadonlyMap<string, FileDescriptor>;
}

let contract: Contract | undefined;

export function readContract(): Contract {
  contract ??= parseDescriptorSet(readBinaryAsset('proto/descriptor-set.binpb'));
  return contract;
}

interface Collected {
  files: Map<string, FileDescriptor>;
  services: Map<string, MethodDescriptor[]>;
  messages: Map<string, MessageDescriptor>;
  enums: Map<string, Map<string, number>>;
  fileOfSymbol: Map<string, FileDescriptor>;
}

export function parseDescriptorSet(bytes: Buffer): Contract {
  const collected: Collected = {
    files: new Map(),
    services: new Map(),
    messages: new Map(),
    enums: new Map(),
    fileOfSymbol: new Map(),
  };
  for (const file of readFields(bytes).all(1)) {
    collectFile(collected, file);
  }
  return collected;
}

function collectFile(collected: Collected, bytes: Buffer): void {
  const fields = readFields(bytes);
  const file: FileDescriptor = { name: fields.text(1), bytes, dependencies: fields.all(3).map(String) };
  const packageName = fields.text(2);
  collected.files.set(file.name, file);
  for (const message of fields.all(4)) {
    collectMessage(collected, file, packageName, message);
  }
  for (const enumeration of fields.all(5)) {
    collectEnum(collected, file, packageName, enumeration);
  }
  for (const service of fields.all(6)) {
    collectService(collected, file, packageName, service);
  }
}

function collectMessage(collected: Collected, file: FileDescriptor, scope: string, bytes: Buffer): void {
  const message = readFields(bytes);
  const name = join(scope, message.text(1));
  const fields = message.all(2).map(readField);
  const isMapEntry = message.all(7).some((options) => readFields(options).number(7) === 1);
  collected.messages.set(name, { fields, isMapEntry });
  collected.fileOfSymbol.set(name, file);
  for (const field of fields) {
    collected.fileOfSymbol.set(join(name, field.name), file);
  }
  for (const nested of message.all(3)) {
    collectMessage(collected, file, name, nested);
  }
  for (const nested of message.all(4)) {
    collectEnum(collected, file, name, nested);
  }
}

function collectEnum(collected: Collected, file: FileDescriptor, scope: string, bytes: Buffer): void {
  const enumeration = readFields(bytes);
  const name = join(scope, enumeration.text(1));
  const values = new Map<string, number>();
  for (const entry of enumeration.all(2)) {
    const value = readFields(entry);
    values.set(value.text(1), value.number(2));
    // In protobuf, the values of an enum belong to the scope that contains the enum.
    collected.fileOfSymbol.set(join(scope, value.text(1)), file);
  }
  collected.enums.set(name, values);
  collected.fileOfSymbol.set(name, file);
}

function collectService(collected: Collected, file: FileDescriptor, scope: string, bytes: Buffer): void {
  const service = readFields(bytes);
  const name = join(scope, service.text(1));
  const methods = service.all(2).map(readMethod);
  collected.services.set(name, methods);
  collected.fileOfSymbol.set(name, file);
  for (const method of methods) {
    collected.fileOfSymbol.set(join(name, method.name), file);
  }
}

function readField(bytes: Buffer): FieldDescriptor {
  const field = readFields(bytes);
  return {
    name: field.text(1),
    jsonName: field.text(10),
    number: field.number(3),
    type: field.number(5),
    typeName: withoutDot(field.text(6)),
    isRepeated: field.number(4) === 3,
    oneofIndex: field.optionalNumber(9),
  };
}

function readMethod(bytes: Buffer): MethodDescriptor {
  const method = readFields(bytes);
  return {
    name: method.text(1),
    requestType: withoutDot(method.text(2)),
    responseType: withoutDot(method.text(3)),
    isRequestStream: method.number(5) === 1,
    isResponseStream: method.number(6) === 1,
  };
}

function join(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`;
}

function withoutDot(typeName: string): string {
  return typeName.startsWith('.') ? typeName.slice(1) : typeName;
}

/** Undecoded fields of a message, by field number. */
interface RawFields {
  all(number: number): Buffer[];
  text(number: number): string;
  number(number: number): number;
  optionalNumber(number: number): number | undefined;
}

function readFields(bytes: Buffer): RawFields {
  const lengthDelimited = new Map<number, Buffer[]>();
  const varints = new Map<number, number>();
  let offset = 0;

  function varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes.readUInt8(offset);
      offset += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        return value;
      }
      scale *= 128;
    }
  }

  while (offset < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        varints.set(number, varint());
        break;
      case 1:
        offset += 8;
        break;
      case 2: {
        const end = varint() + offset;
        const values = lengthDelimited.get(number) ?? [];
        values.push(bytes.subarray(offset, end));
        lengthDelimited.set(number, values);
        offset = end;
        break;
      }
      case 5:
        offset += 4;
        break;
      default:
        throw new Error(
          `cannot read the descriptor set: wire type ${tag % 8} at byte ${offset} is not supported; run make proto`,
        );
    }
  }
  return {
    all: (number) => lengthDelimited.get(number) ?? [],
    text: (number) => lengthDelimited.get(number)?.at(-1)?.toString('utf8') ?? '',
    number: (number) => varints.get(number) ?? 0,
    optionalNumber: (number) => varints.get(number),
  };
}
