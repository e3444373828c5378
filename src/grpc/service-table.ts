/**
 * Makes the method table: the protos say which methods there are, the rooms bring their handlers, the interceptors are
 * wrapped around each once.
 *
 * Promises:
 *   1. Starting fails when a method of a served service has no handler, or a handler no method.
 *   2. Messages decode to the generated `...Output` types: what is `optional` or in a oneof is absent when unset, bytes are
 *      Buffers (views of the message), enums and int64 are numbers. An int64 beyond 2^53 - 1 arrives beyond 2^53 - 1,
 *      rounded: a service that checks its bounds refuses it.
 *   3. Interceptors run in the order given, the first outermost. A synchronous answer stays synchronous through all.
 *
 * Parsing the protos took 32 ms of the 300 ms that a start may take, less than a precompiled copy is worth.
 */
import { join } from 'node:path';
import { loadSync, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { assetRoot } from '../lib/assets.ts';
import { FieldType, readContract } from './descriptors.ts';
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from './method.ts';

export const PROTO_FILES = [
  'pannier/v1/rate_limit.proto',
  'pannier/v1/session.proto',
  'pannier/v1/cache.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
] as const;

/** A handler of whatever kind as interceptors see it; `responses` is there for streams alone. */
export type Handle = (request: unknown, context: CallContext, responses: ResponseStream<unknown>) => unknown;
/** Wraps the handler of one method; called once per method, at start. */
export type Interceptor = (method: AnyMethod, next: Handle) => Handle;

export interface ServiceHandlers {
  /** As in the proto: `pannier.v1.RateLimitService`. */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: handlers of many message types; each is consistent with its proto.
  readonly handlers: Readonly<Record<string, (request: any, context: CallContext, responses: any) => unknown>>;
}

export function createMethodTable(
  services: readonly ServiceHandlers[],
  interceptors: readonly Interceptor[],
): MethodTable {
  const definition = loadContract();
  const table = new Map<string, AnyMethod>();
  for (const service of services) {
    const methods = methodsOf(definition, service.name);
    refuseStrangers(service, methods);
    for (const [name, method] of Object.entries(methods)) {
      const handler = service.handlers[name];
      if (handler === undefined) {
        throw new Error(`Cannot serve ${service.name}: method ${name} has no handler, wanted one`);
      }
      const row = { ...toRow(method, handler.bind(service.handlers)), decode: decoderOf(service.name, name, method) };
      table.set(method.path, intercepted(row, interceptors));
    }
  }
  return table;
}

/** Every service of the contract with its methods, as @grpc/proto-loader gives them. */
export function loadContract(): PackageDefinition {
  return loadSync([...PROTO_FILES], {
    keepCase: false,
    longs: Number,
    defaults: true,
    arrays: true,
    objects: true,
    oneofs: false,
    includeDirs: [join(assetRoot, 'proto')],
  });
}

type Methods = Readonly<Record<string, MethodDefinition<object, object>>>;

/** The methods of one service of `definition`; throws when it has no such service. */
export function methodsOf(definition: PackageDefinition, serviceName: string): Methods {
  const service = definition[serviceName];
  if (service === undefined || 'format' in service) {
    throw new Error(`Cannot serve ${serviceName}: the protos have no such service, wanted one of theirs`);
  }
  return service as Methods;
}

function refuseStrangers(service: ServiceHandlers, methods: Methods): void {
  const stranger = Object.keys(service.handlers).find((name) => !Object.hasOwn(methods, name));
  if (stranger !== undefined) {
    throw new Error(`Cannot serve ${service.name}: handler ${stranger} has no method in the proto, wanted one`);
  }
}

function toRow(method: MethodDefinition<object, object>, handle: Handle): AnyMethod {
  return {
    path: method.path,
    kind: kindOf(method),
    decode: method.requestDeserialize,
    encode: method.responseSerialize,
    handle,
  } as AnyMethod;
}

/**
 * The library's decoder, with one thing put right: a map entry without a value, which is how some clients send an empty
 * one, comes from a map of bytes as an empty array instead of an empty Buffer.
 */
function decoderOf(serviceName: string, methodName: string, method: MethodDefinition<object, object>): Decode {
  const fieldNames = bytesMapsOf(serviceName, methodName);
  if (fieldNames.length === 0) {
    return method.requestDeserialize;
  }
  return (bytes) => {
    const request = method.requestDeserialize(bytes) as Record<string, Record<string, unknown>>;
    for (const fieldName of fieldNames) {
      const map = request[fieldName] ?? {};
      for (const key in map) {
        if (!Buffer.isBuffer(map[key])) {
          map[key] = EMPTY_BYTES;
        }
      }
    }
    return request;
  };
}

type Decode = (bytes: Buffer) => object;
const EMPTY_BYTES = Buffer.alloc(0);

/** The fields of a method's request that are `map<..., bytes>`. The contract has maps at the top of requests alone. */
function bytesMapsOf(serviceName: string, methodName: string): string[] {
  const contract = readContract();
  const method = contract.services.get(serviceName)?.find((each) => each.name === methodName);
  const fields = contract.messages.get(method?.requestType ?? '')?.fields ?? [];
  const maps = fields.filter((field) => {
    const entry = contract.messages.get(field.typeName);
    return (
      entry?.isMapEntry === true && entry.fields.some((each) => each.number === 2 && each.type === FieldType.BYTES)
    );
  });
  return maps.map((field) => field.jsonName);
}

function kindOf(method: MethodDefinition<object, object>): AnyMethod['kind'] {
  if (method.requestStream && method.responseStream) {
    return 'bidi_stream';
  }
  if (method.requestStream) {
    throw new Error(`Cannot serve ${method.path}: it streams requests only, wanted a kind that transports know`);
  }
  return method.responseStream ? 'server_stream' : 'unary';
}

function intercepted(method: AnyMethod, interceptors: readonly Interceptor[]): AnyMethod {
  let handle = method.handle as Handle;
  for (const interceptor of interceptors.toReversed()) {
    handle = interceptor(method, handle);
  }
  return { ...method, handle } as AnyMethod;
}
