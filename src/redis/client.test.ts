/**
 * Tests that an abandoned connection attempt leaves no socket open, and that received bytes are counted.
 */
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { jest } from '@jest/globals';
import { generate } from 'selfsigned';
import { redisOptions } from '../../test/support/redis/client.ts';
import { startFakeRedisPeer } from '../../test/support/redis/fake-redis-peer.ts';
import { trustOf } from '../../test/support/redis/tls.ts';
import { waitFor } from '../../test/support/wait.ts';
import { openClient } from './client.ts';

const HOST = 'slow.redis.test';
const CONNECT_TIMEOUT_MS = 200;

const sockets = new Set<Socket>();

afterEach(() => {
  jest.restoreAllMocks();
  for (const socket of sockets) {
    socket.destroy();
  }
});

test('gives up an attempt and closes its socket if lookup and handshake are too slow together', async () => {
  // Each step alone takes less time than the connect timeout. node-redis limits only the silence between the steps, and
  // not their total time.
  const slowMs = CONNECT_TIMEOUT_MS * 0.6;
  answerNamesAfter(slowMs);
  const certificate = await generate([{ name: 'commonName', value: HOST }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: HOST }] }],
  });
  const secured = createTlsServer({ key: certificate.private, cert: certificate.cert }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write('%0\r\n'));
  });
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    setTimeout(() => secured.emit('connection', socket), slowMs);
  });
  server.listen(0, '127.0.0.1');
  server.unref();
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const access = redisOptions(`rediss://${HOST}:${port}`, {
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    tlsFiles: trustOf(Buffer.from(certificate.cert)),
  });
  await expect(openClient({ host: HOST, port }, access, { onLost: () => undefined })).rejects.toThrow('in time');
  await waitFor('the handshake', () => accepted === 1);
  await waitFor('its end', () => sockets.size === 0, 2_000);
});

function answerNamesAfter(delayMs: number): void {
  const lookup = (_host: string, options: { all?: boolean }, callback: (...answer: unknown[]) => void): void => {
    const address = '127.0.0.1';
    const answer = options.all === true ? [[{ address, family: 4 }]] : [address, 4];
    setTimeout(() => callback(null, ...answer), delayMs);
  };
  jest.spyOn(dns, 'lookup').mockImplementation(lookup as never);
}

// node-redis exposes no counter of received bytes (see countBytesRead).
test('counts received bytes, including those of a partial reply', async () => {
  const peer = await startFakeRedisPeer();
  const access = redisOptions(`redis://127.0.0.1:${peer.port}`);
  const client = await openClient({ host: '127.0.0.1', port: peer.port }, access, { onLost: () => undefined });
  const before = client.bytesRead();
  const reply = client.send(['GET', 'k']);
  await waitFor('the command', () => peer.commands.length === 1);
  peer.commands[0]?.answer('$10\r\n01234');
  await waitFor('half of the reply', () => client.bytesRead() === before + 10);
  peer.commands[0]?.answer('56789\r\n');
  expect(await reply).toEqual(Buffer.from('0123456789'));
  expect(client.bytesRead()).toBe(before + 17);
  client.destroy();
  await peer.close();
});
