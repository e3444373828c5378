/**
 * `node bench/transport/node-http2-server.ts SOCKET` serves a constant gRPC response with an empty message on node:http2. A server that uses
 * node:http2 cannot use less CPU than this server. The program prints {"tcp": PORT}.
 */
import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

const ANSWER = Buffer.alloc(5);
const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };
const TRAILERS = { 'grpc-status': '0' };

function serve(stream: ServerHttp2Stream): void {
  stream.on('error', () => undefined);
  stream.on('end', () => {
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(TRAILERS));
    stream.end(ANSWER);
  });
  stream.resume();
}

async function listen(where: { port: number; host: string } | { path: string }): Promise<number> {
  const server = createServer({ settings: { maxConcurrentStreams: 2_000 } });
  server.on('stream', serve);
  server.listen(where);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const [socketPath = ''] = process.argv.slice(2);
const tcp = await listen({ host: '127.0.0.1', port: 0 });
await listen({ path: socketPath });
process.stdout.write(`${JSON.stringify({ tcp })}\n`);
