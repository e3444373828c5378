/**
 * What is to be generated: the messages of each proto file that are decoded or encoded, how each is called in
 * TypeScript, and how each of its fields is treated. Read from the contract's descriptors.
 *
 * Only what the contract uses is known (FIELD_KINDS, maps with text keys). Anything else stops the generator with an
 * error that says so, instead of a codec that is wrong.
 */
import { type Contract, type FieldDescriptor, FieldType } from '../../src/grpc/descriptors.ts';

export interface MessageModel {
  /** As in the proto: `pannier.v1.CacheGetRequest`. */
  readonly fullName: string;
  readonly type: TypeName;
  readonly fields: readonly FieldModel[];
}

/** A type as the generated types (src/grpc/generated) export it, and as codecs call it. */
export interface TypeName {
  /** `CacheGetRequest`, of a nested type `HealthCheckResponseServingStatus`; what is decoded has `Output` behind it. */
  readonly local: string;
  /** `CacheGetRequest`, of a nested type `_grpc_health_v1_HealthCheckResponse_ServingStatus`. */
  readonly exported: string;
  /** Below src/grpc/generated: `pannier/v1/WatchInvalidationsResponse.ts`. */
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
  /** In TypeScript: `windowMs`. */
  readonly name: string;
  /** In the proto and in errors: `window_ms`. */
  readonly protoName: string;
  readonly number: number;
}

/** `isPresent`: absent from the object when unset (`optional`, or in a oneof). `siblings`: the others of its oneof. */
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

/** One proto file. */
export interface FileModel {
  /** `pannier/v1/cache.proto`. */
  readonly name: string;
  readonly methods: readonly MethodModel[];
  /** Requests and responses with what they hold, each message after those that hold it. */
  readonly decoded: readonly MessageModel[];
  readonly encoded: readonly MessageModel[];
}

/** The files that have services. */
export function readFileModels(contract: Contract): FileModel[] {
  const byFile = new Map<string, MethodModel[]>();
  for (const [service, methods] of contract.services) {
    const file = fileOf(contract, service);
    const models = methods.map((method): MethodModel => {
      const path = `/${service}/${method.name}`;
      const streamKind = method.isRequestStream ? 'bidi_stream' : 'server_stream';
      if (method.isRequestStream && !method.isResponseStream) {
        throw new Error(`cannot generate ${path}: it streams requests only, wanted a kind that transports know`);
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
  // A map grows while it is walked: what nested messages hold is reached too, each once.
  for (const message of found.values()) {
    if (fileOf(contract, message.fullName) !== file) {
      throw new Error(`cannot generate ${message.fullName}: ${file} uses it, wanted messages of the file itself`);
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
    throw new Error(`cannot generate ${fullName}: the contract does not declare it, wanted a message of its own`);
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
    throw unsupported(messageName, field, 'a map of this kind', 'string keys and values that are no messages');
  }
  return value;
}

function readValue(contract: Contract, messageName: string, field: FieldDescriptor): ValueModel {
  const kind = FIELD_KINDS.get(field.type);
  switch (kind) {
    case undefined:
      throw unsupported(messageName, field, `of type ${field.type}`, [...FIELD_KINDS.values()].join(', '));
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
  return new Error(`cannot generate ${messageName}: ${field.name} is ${found}, wanted ${accepted}`);
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
    throw new Error(`cannot generate ${fullName}: no file declares it, wanted one of the contract`);
  }
  return file.name;
}
