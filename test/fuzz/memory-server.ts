/**
 * A connection of the transport on a socket in memory, with methods for fuzzing.
 */
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from '../../src/grpc/method.ts';
import { Status, StatusError } from '../../src/grpc/status.ts';
import { Http2Connection } from '../../src/grpc/transports/http2/connection.ts';
import { HTTP2_LIMITS, type Http2Limits } from '../../src/grpc/transports/http2/limits.ts';
import { Pool, type SharedBudget } from '../../src/grpc/transports/http2/shared-budget.ts';
import { TRANSPORT_LIMITS } from '../../src/grpc/transports/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { fuzzPath } from './conversations.ts';
import { MemorySocket } from './memory-socket.ts';

export interface MemoryServer {
  readonly socket: MemorySocket;
  readonly connection: Http2Connection;
  readonly budget: SharedBudget;
  /** What was logged: errors of our own. */
  readonly unexpected: readonly string[];
}

/** With a budget of its own, or one that it shares with others. */
export function startMemoryServer(changed: Partial<Http2Limits>, shared?: SharedBudget): MemoryServer {
  const limits = { ...TRANSPORT_LIMITS, ...HTTP2_LIMITS, lingerMsMax: 1, ...changed };
  const socket = new MemorySocket();
  const budget = shared ?? { held: new Pool(limits.heldBytesMax), waiting: new Pool(limits.waitingBytesMax) };
  const unexpected: string[] = [];
  const connection = new Http2Connection(socket.asSocket(), {
    rules: {
      table: METHODS,
      metadataBytesMax: limits.metadataBytesMax,
      metadataFieldsMax: limits.metadataFieldsMax,
    },
    limits,
    clock: systemClock,
    log: { error: (fields, text) => unexpected.push(`${text} ${JSON.stringify(fields)}`) },
    defaultDeadlineMs: 60_000,
    budget,
    watchDeadline: () => {},
    closed: () => {},
    dropped: () => {},
  });
  return { socket, connection, budget, unexpected };
}

const METHODS: MethodTable = new Map(
  (
    [
      { ...codec('Echo'), kind: 'unary', handle: (request: Buffer) => request },
      { ...codec('EchoLater'), kind: 'unary', handle: async (request: Buffer) => await Promise.resolve(request) },
      { ...codec('Fail'), kind: 'unary', handle: fail },
      { ...codec('Nothing'), kind: 'unary', handle: (_request: Buffer, context: CallContext) => whenOver(context) },
      { ...codec('Stream'), kind: 'server_stream', handle: sendThree },
      { ...codec('Flood'), kind: 'server_stream', handle: sendForEver },
      { ...codec('Talk'), kind: 'bidi_stream', handle: talk },
    ] satisfies AnyMethod[]
  ).map((method) => [method.path, method]),
);

function codec(name: string) {
  return {
    path: fuzzPath(name),
    decode: (bytes: Buffer) => Buffer.from(bytes),
    encode: (response: Buffer) => response,
  };
}

function fail(): never {
  throw new StatusError(Status.ABORTED, 'Cannot do it: ä %');
}

function whenOver(context: CallContext): Promise<Buffer> {
  return new Promise((resolve) => context.onOver(() => resolve(Buffer.alloc(0))));
}

async function sendThree(request: Buffer, _context: CallContext, responses: ResponseStream<Buffer>): Promise<void> {
  for (let count = 0; count < 3; count += 1) {
    if (!responses.send(request)) {
      await responses.writable();
    }
  }
}

async function sendForEver(request: Buffer, context: CallContext, responses: ResponseStream<Buffer>): Promise<void> {
  while (!context.isOver()) {
    if (!responses.send(request)) {
      await responses.writable();
    }
  }
}

async function talk(
  requests: AsyncIterable<Buffer>,
  _context: CallContext,
  responses: ResponseStream<Buffer>,
): Promise<void> {
  for await (const request of requests) {
    responses.send(request);
  }
}
