/**
 * `node bench/transport/empty-server.ts NAME SOCKET`: a method table of one row, whose handler hands back an empty message at
 * once, on one of our transports. What a transport costs by itself. Prints {"tcp": PORT}.
 */
import type { AnyMethod } from '../../src/grpc/method.ts';
import type { Transport, TransportOptions } from '../../src/grpc/transport/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EMPTY_PATH } from './calls.ts';

/** Loaded when asked for, so that the one without grpc-js does not hold it. */
const starts: Record<string, () => Promise<(options: TransportOptions) => Promise<Transport>>> = {
  'grpc-js': async () => (await import('../../src/grpc/grpc-js/grpc-js-transport.ts')).startGrpcJsTransport,
  http2: async () => (await import('../../src/grpc/http2/http2-transport.ts')).startHttp2Transport,
};

const EMPTY = Buffer.alloc(0);
const method: AnyMethod = {
  kind: 'unary',
  path: EMPTY_PATH,
  decode: (bytes: Buffer) => bytes,
  encode: (bytes: Buffer) => bytes,
  handler: () => EMPTY,
};

const [name = '', socketPath = ''] = process.argv.slice(2);
const load = starts[name];
if (load === undefined) {
  throw new Error(`cannot serve: the transport is ${name}, wanted one of ${Object.keys(starts).join(', ')}`);
}
const start = await load();
const transport = await start({
  table: new Map([[method.path, method]]),
  listen: { tcp: { host: '127.0.0.1', port: 0 }, socketPath },
  defaultDeadlineMs: 30_000,
  clock: systemClock,
  log: { error: (fields, text) => process.stderr.write(`${text} ${JSON.stringify(fields)}\n`) },
});
process.stdout.write(`${JSON.stringify({ tcp: transport.tcpPort })}\n`);
