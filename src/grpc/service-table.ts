/**
 * Makes the method table: the protos say which methods there are, by way of the codecs generated from them; the capabilities
 * bring their handlers, the interceptors are wrapped around each once.
 *
 * Promises:
 *   1. Starting fails when a method of a served service has no handler, or a handler no method.
 *   2. Messages decode to the generated `...Output` types: what is `optional` or in a oneof is absent when unset, bytes are
 *      Buffers (views of the message), enums and int64 are numbers. An int64 beyond 2^53 - 1 arrives beyond 2^53 - 1,
 *      rounded: a service that checks its bounds refuses it.
 *   3. Interceptors run in the order given, the first outermost. A synchronous answer stays synchronous through all.
 *   4. The protos are not parsed and no protobuf library is loaded to serve (contract.ts does that, for others).
 */
import { METHOD_CODECS } from './generated/codec/methods.ts';
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from './method.ts';
import type { MethodCodec } from './wire/codec.ts';

/** A handler of whatever kind as interceptors see it; `responses` is there for streams alone. */
export type Handler = (request: unknown, context: CallContext, responses: ResponseStream<unknown>) => unknown;
/** Wraps the handler of one method; called once per method, at start. */
export type Interceptor = (method: AnyMethod, next: Handler) => Handler;

export interface ServiceHandlers {
  /** As in the proto: `pannier.v1.RateLimitService`. */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: handlers of many message types; each is consistent with its proto.
  readonly handlers: Readonly<Record<string, (request: any, context: CallContext, responses: any) => unknown>>;
}

/** A service as the composition root runs it. */
export interface Service extends ServiceHandlers {
  /** Ends what the service keeps open. Its stores are not its own. */
  close(): void;
}

export function createMethodTable(
  services: readonly ServiceHandlers[],
  interceptors: readonly Interceptor[],
): MethodTable {
  const table = new Map<string, AnyMethod>();
  for (const service of services) {
    const codecs = codecsOf(service.name);
    refuseStrangers(service, codecs);
    for (const [name, codec] of codecs) {
      const handler = service.handlers[name];
      if (handler === undefined) {
        throw new Error(`cannot serve ${service.name}: method ${name} has no handler, wanted one`);
      }
      const path = `/${service.name}/${name}`;
      const row = { path, ...codec, handler: handler.bind(service.handlers) } as AnyMethod;
      table.set(path, intercepted(row, interceptors));
    }
  }
  return table;
}

/** By method name. Throws when the protos have no such service. */
function codecsOf(serviceName: string): ReadonlyMap<string, MethodCodec> {
  const prefix = `/${serviceName}/`;
  const codecs = [...METHOD_CODECS].filter(([path]) => path.startsWith(prefix));
  if (codecs.length === 0) {
    throw new Error(`cannot serve ${serviceName}: the protos have no such service, wanted one of theirs`);
  }
  return new Map(codecs.map(([path, codec]) => [path.slice(prefix.length), codec]));
}

function refuseStrangers(service: ServiceHandlers, codecs: ReadonlyMap<string, MethodCodec>): void {
  const stranger = Object.keys(service.handlers).find((name) => !codecs.has(name));
  if (stranger !== undefined) {
    throw new Error(`cannot serve ${service.name}: handler ${stranger} has no method in the proto, wanted one`);
  }
}

function intercepted(method: AnyMethod, interceptors: readonly Interceptor[]): AnyMethod {
  let handler = method.handler as Handler;
  for (const interceptor of interceptors.toReversed()) {
    handler = interceptor(method, handler);
  }
  return { ...method, handler } as AnyMethod;
}
