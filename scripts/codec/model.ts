/**
 * Determines which messages of each proto file need a codec, and the TypeScript names of these messages and their
 * fields.
 *
 * 1. The generator supports only what the contract uses: the types in FIELD_KINDS, and maps with string keys.
 * 2. The generator throws an error for any other field, because the generated codec would be wrong.
 */
import { type Contract, type FieldDescriptor, FieldType } from '../../src/grpc/descriptors.ts';

export interface MessageModel {
  /** Full name of the message in the proto, such as `pannier.v1.CacheGetRequest`. */
  readonly fullName: string;
  readonly type: TypeName;
  readonly fields: readonly FieldModel[];
}

/** Names of a type in the generated types (src/grpc/generated) and in the codecs. */
export interface TypeName {
  /**
   * Name in the codecs: `CacheGetRequest`, or `HealthCheckResponseServingStatus` for a nested type. Names of decoded
   * types end with `Output`.
   */
  readonly local: string;
  /** Exported name: `CacheGetRequest`, or `_grpc_health_v1_HealthCheckResponse_ServingStatus` for a nested type. */
  readonly exported: string;
  /** Path below src/grpc/generated, such as `pannier/v1/WatchInvalidationsResponse.ts`. */
  readonly path: string;
}

type ScalarKind = 'int32' | 'int64' | 'bool' | 'string' | 'bytes' | 'enum';
const FIELD_KINDS: ReadonlyMap<number, ScalarKind | 'message'> = new Map([
  [FieldType.INT32, 'int32'],
  [FieldType.INT64, 'int64'],
  [FieldType.BOOL, 'bool'],
  [FieldType.STRING, 'string'],
  [FieldType.BYTES, 'bytes'],
  [FieldType.ENUM, 'enum'],
  [FieldType.MESSAGE, 'message'],
]);

interface FieldBase {
  /** Name of the field in TypeScript, such as `windowMs`. */
  readonly name: string;
  /** Name of the field in the proto and in errors, such as `window_ms`. */
  readonly protoName: string;
  readonly number: number;
}

/**
 * `isPresent` is true if the decoded object omits the field when the field is unset. This is the case if the field is
 * `optional` or a member of a oneof. `siblings` are the other fields of the oneof.
 */
export type FieldModel =
  | (FieldBase & {
      readonly shape: 'single';
      readonly value: ValueModel;
      readonly isPresent: boolean;
      readonly siblings: readonly string[];
    })
  | (FieldBase & { readonly shape: 'repeated'; readonly value: ValueModel })
  | (FieldBase & { readonly shape: 'map'; readonly value: ValueModel & { readonly kind: ScalarKind } });

export type ValueModel =
  | { readonly kind: Exclude<ScalarKind, 'enum'> }
  | { readonly kind: 'enum'; readonly type: TypeName }
  | { readonly kind: 'message'; readonly type: TypeName; readonly fullName: string; readonly isEmpty: boolean };

interface MethodModel {
  readonly path: string;
  readonly kind: 'unary' | 'server_stream' | 'bidi_stream';
  readonly request: MessageModel;
  readonly response: MessageModel;
}

export interface FileModel {
  /** Name of the proto file, such as `pannier/v1/cache.proto`. */
  readonly name: string;
  readonly methods: readonly MethodModel[];
  /** Requests and responses with their nested messages. A message follows the messages that contain it. */
  readonly decoded: readonly MessageModel[];
  readonly encoded: readonly MessageModel[];
}

/** Returns the proto files that have services. */
export function readFileModels(contract: Contract): FileModel[] {
  const byFile = new Map<string, MethodModel[]>();
  for (const [service, methods] of contract.services) {
    const file = fileOf(contract, service);
    const models = methods.map((method): MethodModel => {
      const path = `/${service}/${method.name}`;
      const streamKind = method.isRequestStream ? 'bidi_stream' : 'server_stream';
      if (method.isRequestStream && !method.isResponseStream) {
        throw new Error(`cannot generate ${path}: no transport supports a call that streams only requests`);
      }
      return {
        path,
        kind: method.isResponseStream ? streamKind : 'unary',
        request: readMessage(contract, method.requestType),
        response: readMessage(contract, method.responseType),
      };
    });
    byFile.set(file, [...(byFile.get(file) ?? []), ...models]);
  }
  return [...byFile].map(([name, methods]) => ({
    name,
    methods,
    decoded: withNested(
      contract,
      name,
      methods.map((method) => method.request),
    ),
    encoded: withNested(
      contract,
      name,
      methods.map((method) => method.response),
    ),
  }));
}

function withNested(contract: Contract, file: string, roots: readonly MessageModel[]): MessageModel[] {
  const found = new Map(roots.map((message) => [message.fullName, message]));
  // The loop also visits entries that it adds to the map, so it visits every nested message exactly once.
  for (const message of found.values()) {
    if (fileOf(contract, message.fullName) !== file) {
      throw new Error(
        `cannot generate ${message.fullName}: ${file} uses it and does not declare it; declare the message in that file`,
      );
    }
    for (const { value } of message.fields) {
      if (value.kind === 'message' && !found.has(value.fullName)) {
        found.set(value.fullName, readMessage(contract, value.fullName));
      }
    }
  }
  return [...found.values()];
}

function readMessage(contract: Contract, fullName: string): MessageModel {
  const descriptor = contract.messages.get(fullName);
  if (descriptor === undefined) {
    throw new Error(`cannot generate ${fullName}: the contract does not declare it; use a message of the contract`);
  }
  const fields = descriptor.fields.map((field) => readField(contract, fullName, field, descriptor.fields));
  return { fullName, type: typeNameOf(contract, fullName), fields };
}

function readField(
  contract: Contract,
  messageName: string,
  field: FieldDescriptor,
  all: readonly FieldDescriptor[],
): FieldModel {
  const base = { name: field.jsonName, protoName: field.name, number: field.number };
  const entry = field.type === FieldType.MESSAGE ? contract.messages.get(field.typeName) : undefined;
  if (entry?.isMapEntry === true) {
    return { ...base, shape: 'map', value: readMapValue(contract, messageName, field, entry.fields) };
  }
  const value = readValue(contract, messageName, field);
  if (field.isRepeated) {
    return { ...base, shape: 'repeated', value };
  }
  const isPresent = field.oneofIndex !== undefined;
  const siblings = isPresent ? all.filter((each) => each !== field && each.oneofIndex === field.oneofIndex) : [];
  return { ...base, shape: 'single', value, isPresent, siblings: siblings.map((each) => each.jsonName) };
}

function readMapValue(
  contract: Contract,
  messageName: string,
  field: FieldDescriptor,
  entryFields: readonly FieldDescriptor[],
): ValueModel & { kind: ScalarKind } {
  const [keyField, valueField] = entryFields;
  const value = valueField === undefined ? undefined : readValue(contract, messageName, valueField);
  if (keyField?.type !== FieldType.STRING || value === undefined || value.kind === 'message') {
    throw unsupported(messageName, field, 'another map', 'a map from strings to values that are not messages');
  }
  return value;
}

function readValue(contract: Contract, messageName: string, field: FieldDescriptor): ValueModel {
  const kind = FIELD_KINDS.get(field.type);
  switch (kind) {
    case undefined:
      throw unsupported(
        messageName,
        field,
        `field type ${field.type}`,
        `one of ${[...FIELD_KINDS.values()].join(', ')}`,
      );
    case 'enum':
      return { kind, type: typeNameOf(contract, field.typeName) };
    case 'message':
      return {
        kind,
        type: typeNameOf(contract, field.typeName),
        fullName: field.typeName,
        isEmpty: contract.messages.get(field.typeName)?.fields.length === 0,
      };
    default:
      return { kind };
  }
}

function unsupported(messageName: string, field: FieldDescriptor, found: string, accepted: string): Error {
  return new Error(`cannot generate ${messageName}: ${field.name} must be ${accepted}, got ${found}`);
}

function typeNameOf(contract: Contract, fullName: string): TypeName {
  const parts = fullName.split('.');
  const first = parts.findIndex((_, index) => contract.fileOfSymbol.has(parts.slice(0, index + 1).join('.')));
  const path = `${parts.slice(0, first + 1).join('/')}.ts`;
  const names = parts.slice(first);
  const exported = names.length === 1 ? names.join('') : `_${parts.join('_')}`;
  return { local: names.join(''), exported, path };
}

function fileOf(contract: Contract, fullName: string): string {
  const file = contract.fileOfSymbol.get(fullName);
  if (file === undefined) {
    throw new Error(`cannot generate ${fullName}: no file declares it; add the file to the contract`);
  }
  return file.name;
}
