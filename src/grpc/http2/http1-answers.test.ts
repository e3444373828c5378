/**
 * Tests that a client which uses HTTP/1.x receives one HTTP/1.1 response that mentions gRPC, and no HTTP/2 frames.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { waitFor } from '../../../test/support/wait.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Transport } from '../transport/transport.ts';
import { startHttp2Transport } from './http2-transport.ts';

const ADMIN_URL = 'http://127.0.0.1:9471';
const drops: string[] = [];
let transport: Transport;

beforeAll(async () => {
  transport = await startHttp2Transport({
    table: new Map(),
    listen: { tcp: { host: '127.0.0.1', port: 0 } },
    defaultDeadlineMs: 10_000,
    clock: systemClock,
    log: { error: () => {} },
    adminUrl: ADMIN_URL,
    onConnectionDropped: (reason) => drops.push(reason),
  });
});

afterAll(async () => {
  await transport?.close();
});

beforeEach(() => {
  drops.length = 0;
});

test.each(['GET', 'POST', 'OPTIONS'])('a Node HTTP client can read the response to %s', async (method) => {
  const answer = await new Promise<{ status: number | undefined; type: string | undefined; body: string }>(
    (resolve, reject) => {
      const sent = request({ port: Number(transport.tcpPort), method, path: '/', agent: false }, (response) => {
        text(response).then(
          (body) => resolve({ status: response.statusCode, type: response.headers['content-type'], body }),
          reject,
        );
      });
      sent.on('error', reject);
      sent.end();
    },
  );
  expect([answer.status, answer.type]).toEqual([400, 'text/plain']);
  expect(answer.body).toMatch(/gRPC over HTTP\/2.*\n.*http:\/\/127\.0\.0\.1:9471/);
  await waitFor('the connection to close', () => transport.connections === 0);
  expect(drops).toEqual(['protocol_error']);
});

test('responds to HEAD with the headers of a GET response and no body', async () => {
  const answerTo = async (method: string): Promise<string[]> => {
    const socket = connect({ port: Number(transport.tcpPort), host: '127.0.0.1' });
    socket.write(`${method} / HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return (await text(socket)).split('\r\n\r\n');
  };
  const [headers, body] = await answerTo('GET');
  expect(body).not.toBe('');
  expect(await answerTo('HEAD')).toEqual([headers, '']);
});

test('responds once to a request that arrives byte by byte, and closes the connection', async () => {
  const socket = connect({ port: Number(transport.tcpPort), host: '127.0.0.1', noDelay: true });
  const received = text(socket);
  for (const byte of Buffer.from('POST /')) {
    await new Promise<void>((resolve) => socket.write(Buffer.from([byte]), () => setImmediate(resolve)));
  }
  const answer = await received;
  expect(answer.match(/HTTP\/1\.1 400 Bad Request\r\n/g)).toHaveLength(1);
  expect(answer.startsWith('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n')).toBe(true);
  socket.destroy();
});

test('sends nothing before the first bytes of a peer identify its protocol', async () => {
  const socket = connect({ port: Number(transport.tcpPort), host: '127.0.0.1' });
  await waitFor('the connection', () => transport.connections === 1);
  socket.write('GE');
  // A server that does not wait for the client would have sent its SETTINGS before it reads these bytes.
  await waitFor('the bytes to be sent', () => socket.bytesWritten === 2 && socket.writableLength === 0);
  expect(socket.bytesRead).toBe(0);
  socket.end('T / HTTP/1.0\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /);
});
