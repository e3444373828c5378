/**
 * Runs one connection of the HTTP/2 server on a memory socket, with methods for fuzzing.
 */

import { DeadlineWatch } from '../../src/grpc/http2/calls/deadline-watch.ts';
import { Http2Connection } from '../../src/grpc/http2/connection.ts';
import { GlobalBudget, type GlobalBudgets } from '../../src/grpc/http2/limits/global-budget.ts';
import { HTTP2_LIMITS, type Http2Limits } from '../../src/grpc/http2/limits/http2-limits.ts';
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from '../../src/grpc/method.ts';
import { Status, StatusError } from '../../src/grpc/status.ts';
import { TRANSPORT_LIMITS } from '../../src/grpc/transport/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { fuzzPath } from './conversations.ts';
import { MemorySocket } from './memory-socket.ts';

export interface MemoryServer {
  readonly socket: MemorySocket;
  readonly connection: Http2Connection;
  readonly budgets: GlobalBudgets;
  /** Logged errors, all of which are bugs of the server. */
  readonly unexpected: readonly string[];
}

/** Starts a connection with its own budgets, or with budgets that it shares with other connections. */
export function startMemoryServer(changed: Partial<Http2Limits>, shared?: GlobalBudgets): MemoryServer {
  const limits = { ...TRANSPORT_LIMITS, ...HTTP2_LIMITS, maxLingerMs: 1, ...changed };
  const socket = new MemorySocket();
  const budgets = shared ?? {
    requests: new GlobalBudget(limits.maxBufferedRequestBytes),
    answers: new GlobalBudget(limits.maxBufferedAnswerBytes),
  };
  const unexpected: string[] = [];
  const connection = new Http2Connection(socket.asSocket(), {
    rules: {
      table: METHODS,
      maxMetadataBytes: limits.maxMetadataBytes,
      maxMetadataFields: limits.maxMetadataFields,
    },
    limits,
    clock: systemClock,
    log: { error: (fields, text) => unexpected.push(`${text} ${JSON.stringify(fields)}`) },
    defaultDeadlineMs: 60_000,
    deadlines: NO_DEADLINES,
    budgets,
    adminUrl: undefined,
    onDropped: () => {},
  });
  return { socket, connection, budgets, unexpected };
}

/** Deadline watch that ends no calls, because the fuzzer itself calls the `expire` method of the connection. */
const NO_DEADLINES = new DeadlineWatch({ clock: systemClock, expire: () => Number.POSITIVE_INFINITY });

const METHODS: MethodTable = new Map(
  (
    [
      { ...codec('Echo'), kind: 'unary', handler: (request: Buffer) => request },
      { ...codec('EchoLater'), kind: 'unary', handler: async (request: Buffer) => await Promise.resolve(request) },
      { ...codec('Fail'), kind: 'unary', handler: fail },
      { ...codec('Nothing'), kind: 'unary', handler: (_request: Buffer, context: CallContext) => whenOver(context) },
      { ...codec('Stream'), kind: 'server_stream', handler: sendThree },
      { ...codec('Flood'), kind: 'server_stream', handler: sendForEver },
      { ...codec('Talk'), kind: 'bidi_stream', handler: talk },
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
  throw new StatusError(Status.ABORTED, 'cannot run the method: ä %');
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
