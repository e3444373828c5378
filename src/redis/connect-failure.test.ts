/**
 * Tests that the reason for a failed connection is logged once, without data that was sent to the server.
 */

import { silentLogger } from '../../test/support/lib/silent-logger.ts';
import { redisOptions } from '../../test/support/redis/client.ts';
import { type FakeRedisPeer, startFakeRedisPeer } from '../../test/support/redis/fake-redis-peer.ts';
import { freePort } from '../../test/support/redis/server.ts';
import { waitFor } from '../../test/support/wait.ts';
import type { Logger } from '../lib/logger.ts';
import { createRedis, type Redis } from './redis.ts';

let redis: Redis;
let peer: FakeRedisPeer | undefined;

afterEach(async () => {
  redis.close();
  await peer?.close();
  peer = undefined;
});

/**
 * Connects to Redis, and returns an array that collects the logged warnings and errors. The default timeout is long,
 * because only the test of a server that does not answer needs a short timeout.
 */
function open(url: string, connectTimeoutMs = 20_000): object[] {
  const told: object[] = [];
  const tell = (fields: object, message: string): void => void told.push({ ...fields, message });
  const log: Logger = { ...silentLogger, warn: tell, error: tell };
  redis = createRedis(redisOptions(url, { log, connectTimeoutMs }));
  redis.start();
  return told;
}

test('logs ECONNREFUSED for a port without a server', async () => {
  const port = await freePort();
  const told = open(`redis://127.0.0.1:${port}`);
  await waitFor('the cause', () => told.length === 1);
  expect(told).toEqual([
    { node: `127.0.0.1:${port}`, role: 'state', reason: 'ECONNREFUSED', message: 'cannot use a Redis node' },
  ]);
});

test('logs once, without the password, that the server does not know HELLO', async () => {
  peer = await startFakeRedisPeer({
    onHello: ({ words, answer }) => answer(`-ERR unknown command 'HELLO', with args beginning with: ${words}\r\n`),
  });
  const told = open(`redis://me:hunter2@127.0.0.1:${peer.port}`);
  const { accepted } = peer;
  await waitFor('several attempts', () => accepted() >= 4);
  expect(told).toEqual([
    {
      role: 'state',
      code: 'ERR',
      node: `127.0.0.1:${peer.port}`,
      command: 'connect',
      reply: 'ERR unknown command HELLO ...',
      detail: 'the server does not know the command or its arguments; use Redis 7.0 or later',
      message: 'Redis refuses connections',
    },
  ]);
});

test('logs that the server did not answer', async () => {
  peer = await startFakeRedisPeer({ onHello: () => undefined });
  const told = open(`redis://127.0.0.1:${peer.port}`, 100);
  await waitFor('the cause', () => told.length === 1);
  expect(told).toMatchObject([{ reason: 'the server accepted the connection and did not answer in time (100 ms)' }]);
});
