/**
 * Creates the method table from three parts: the codecs that are generated from the protos, the handlers of the
 * capabilities, and the interceptors.
 *
 * Invariants:
 *   1. The sidecar does not start if a method of a service has no handler, or if a handler does not belong to any
 *      method.
 *   2. The codecs decode messages to the generated `...Output` types. Fields that are declared `optional` or belong to
 *      a oneof are absent if the message does not contain them. Bytes are Buffers (views of the message). Enums and
 *      int64 are numbers.
 *   3. An int64 beyond 2^53 - 1 is rounded, but stays beyond 2^53 - 1. A service that checks the bounds of the field
 *      therefore rejects it.
 *   4. The first interceptor is the outermost. The method table adds no promise to a result that a handler returns
 *      synchronously.
 *   5. Serving loads no protobuf library and parses no protos.
 */
import { METHOD_CODECS } from './generated/codec/methods.ts';
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from './method.ts';
import type { MethodCodec } from './wire/codec.ts';

/** Handler of any kind of method, for interceptors. Only handlers of streaming methods receive `responses`. */
export type Handler = (request: unknown, context: CallContext, responses: ResponseStream<unknown>) => unknown;
/** Wraps the handler of a method. The method table calls an interceptor once per method, when the table is created. */
export type Interceptor = (method: AnyMethod, next: Handler) => Handler;

export interface ServiceHandlers {
  /** Full name in the proto, e.g. `pannier.v1.RateLimitService`. */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the handlers have many message types; each is consistent with its proto.
  readonly handlers: Readonly<Record<string, (request: any, context: CallContext, responses: any) => unknown>>;
}

/** Service that the composition root starts and closes. */
export interface Service extends ServiceHandlers {
  /** Ends open streams and timers of the service. Does not close stores, because the service does not own them. */
  close(): void;
}

export function createMethodTable(
  services: readonly ServiceHandlers[],
  interceptors: readonly Interceptor[],
): MethodTable {
  const table = new Map<string, AnyMethod>();
  for (const service of services) {
    const codecs = codecsOf(service.name);
    rejectUnknownHandlers(service, codecs);
    for (const [name, codec] of codecs) {
      const handler = service.handlers[name];
      if (handler === undefined) {
        throw new Error(`cannot serve ${service.name}: method ${name} has no handler; add one`);
      }
      const path = `/${service.name}/${name}`;
      const row = { path, ...codec, handler: handler.bind(service.handlers) } as AnyMethod;
      table.set(path, intercepted(row, interceptors));
    }
  }
  return table;
}

/** Returns the codecs of a service by method name. Throws if the protos do not declare the service. */
function codecsOf(serviceName: string): ReadonlyMap<string, MethodCodec> {
  const prefix = `/${serviceName}/`;
  const codecs = [...METHOD_CODECS].filter(([path]) => path.startsWith(prefix));
  if (codecs.length === 0) {
    throw new Error(
      `cannot serve ${serviceName}: the protos do not declare this service; declare it or remove its handlers`,
    );
  }
  return new Map(codecs.map(([path, codec]) => [path.slice(prefix.length), codec]));
}

function rejectUnknownHandlers(service: ServiceHandlers, codecs: ReadonlyMap<string, MethodCodec>): void {
  const unknown = Object.keys(service.handlers).find((name) => !codecs.has(name));
  if (unknown !== undefined) {
    throw new Error(`cannot serve ${service.name}: handler ${unknown} has no method in the proto; rename or remove it`);
  }
}

function intercepted(method: AnyMethod, interceptors: readonly Interceptor[]): AnyMethod {
  let handler = method.handler as Handler;
  for (const interceptor of interceptors.toReversed()) {
    handler = interceptor(method, handler);
  }
  return { ...method, handler } as AnyMethod;
}
