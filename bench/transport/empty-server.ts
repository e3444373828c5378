/**
 * `node bench/transport/empty-server.ts NAME SOCKET` serves one method on one of our transports. The handler returns an empty message
 * synchronously, so that the benchmark measures only the cost of the transport. The program prints {"tcp": PORT}.
 */
import type { AnyMethod } from '../../src/grpc/method.ts';
import type { Transport, TransportOptions } from '../../src/grpc/transport/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EMPTY_PATH } from './calls.ts';

/**
 * Functions that import a transport only when the program starts this transport, so that a server on http2 does not
 * load grpc-js.
 */
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
  throw new Error(`transport must be one of ${Object.keys(starts).join(', ')}, got ${name}`);
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
