/**
 * Runs the HTTP/2 server in its own process, with methods for attacks. attack-range.ts starts this process, so that the
 * memory and CPU time of the server can be measured separately.
 *
 * `node --expose-gc test/support/http2/attack-server.ts OPTIONS`, with the options as JSON, prints the line
 * `{"port":N}` and serves calls until it is killed. The method `Report` returns counters and resource usage, and must
 * respond even during an attack.
 */

import { startHttp2Transport } from '../../../src/grpc/http2/http2-transport.ts';
import type { AnyMethod, CallContext, MethodTable, ResponseStream } from '../../../src/grpc/method.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { AttackReport, AttackServerOptions } from './attack-range.ts';

const SLOW_MS = 300;
const BIG_BYTES = 1_000_000;
const PIECE_BYTES = 16 * 1024;
const LOG_LINES_KEPT = 1_000;

const seen = { started: 0, running: 0, maxRunning: 0, uncaught: 0 };
const logged: string[] = [];
let loggedLines = 0;
const drops: Record<string, number> = {};

const options = JSON.parse(process.argv[2] ?? '{}') as AttackServerOptions;
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    seen.uncaught += 1;
    log({ error: String(error) }, event);
  });
}
const transport = await startHttp2Transport({
  table: methodTable(),
  listen: {
    tcp: { host: '127.0.0.1', port: 0 },
    ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
  },
  defaultDeadlineMs: 60_000,
  clock: systemClock,
  ...(options.limits === undefined ? {} : { limits: options.limits }),
  log: { error: log },
  onConnectionDropped: (reason) => {
    drops[reason] = (drops[reason] ?? 0) + 1;
  },
});
process.stdout.write(`${JSON.stringify({ port: transport.tcpPort })}\n`);

function log(fields: Readonly<Record<string, unknown>>, text: string): void {
  loggedLines += 1;
  if (logged.length < LOG_LINES_KEPT) {
    logged.push(`${text} ${JSON.stringify(fields)}`);
  }
}

function methodTable(): MethodTable {
  const big = Buffer.alloc(BIG_BYTES);
  const methods: AnyMethod[] = [
    { ...codec('Echo'), kind: 'unary', handler: (request: Buffer) => request },
    { ...codec('Slow'), kind: 'unary', handler: slow },
    { ...codec('Big'), kind: 'unary', handler: () => count(big) },
    { ...codec('BigLater'), kind: 'unary', handler: () => slow().then(() => big) },
    { ...codec('Report'), kind: 'unary', handler: (request: Buffer) => Buffer.from(JSON.stringify(report(request))) },
    { ...codec('Hang'), kind: 'unary', handler: () => new Promise<Buffer>(() => {}) },
    { ...codec('Idle'), kind: 'server_stream', handler: (_request: Buffer, context: CallContext) => over(context) },
    { ...codec('Flood'), kind: 'server_stream', handler: flood },
    { ...codec('Deaf'), kind: 'bidi_stream', handler: (_requests: unknown, context: CallContext) => over(context) },
  ];
  return new Map(methods.map((method) => [method.path, method]));
}

function codec(name: string) {
  return {
    path: `/attack.Test/${name}`,
    decode: (bytes: Buffer) => Buffer.from(bytes),
    encode: (response: Buffer) => response,
  };
}

function count(answer: Buffer): Buffer {
  seen.started += 1;
  return answer;
}

/**
 * Keeps running even if the call ends earlier. This method simulates a handler that waits for a store, because such a
 * handler cannot be stopped either.
 */
async function slow(): Promise<Buffer> {
  seen.started += 1;
  seen.running += 1;
  seen.maxRunning = Math.max(seen.maxRunning, seen.running);
  await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
  seen.running -= 1;
  return Buffer.alloc(10);
}

function over(context: CallContext): Promise<void> {
  return new Promise((resolve) => context.onOver(resolve));
}

async function flood(_request: Buffer, context: CallContext, responses: ResponseStream<Buffer>): Promise<void> {
  while (!context.isOver()) {
    if (!responses.send(Buffer.alloc(PIECE_BYTES))) {
      await responses.writable();
    }
  }
}

/** Returns the report. Collects garbage first if the request is empty. */
function report(request: Buffer): AttackReport {
  if (request.length === 0) {
    collect();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const sockets = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  return {
    ...seen,
    connections: sockets,
    liveBytes: heapUsed + external,
    residentBytes: rss,
    cpuMicroseconds: user + system,
    loggedLines,
    drops,
    logged,
  };
}

function collect(): void {
  // Collects garbage twice. One collection finds unused external memory, and only the next collection releases it.
  globalThis.gc?.();
  globalThis.gc?.();
}
