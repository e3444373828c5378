/**
 * Tests a single seed whose host name moves to another server while the old server still runs as a master. The sidecar
 * switches to the new server.
 */
import type { LookupFunction } from 'node:net';
import type { Redis } from '../../src/redis/redis.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const NAME = 'redis.example.test';

let first: RedisNode;
let second: RedisNode;
let redis: Redis;
let address: string;
let warnings: string[];

const lookup: LookupFunction = (_hostname, options, callback) => {
  if (options.all === true) {
    callback(null, [{ address, family: 4 }]);
  } else {
    callback(null, address, 4);
  }
};

beforeEach(async () => {
  first = await startRedis();
  second = await startRedis({ host: '127.0.0.2', port: first.port });
  address = first.host;
  warnings = [];
  const log = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
  redis = await openRedis(`redis://${NAME}:${first.port}`, { lookup, log, connectionsPerMaster: 2 });
});

afterEach(async () => {
  redis.close();
  await Promise.all([first.stop(), second.stop()]);
});

async function ours(node: RedisNode): Promise<number> {
  const list = String(await node.command('CLIENT', 'LIST'));
  return list.split('\n').filter((line) => line.includes('name=pannier')).length;
}

test('moves all connections to the other server, including those of subscriptions', async () => {
  const messages: string[] = [];
  const subscriber = redis.createSubscriber({
    onMessage: (_, message) => messages.push(String(message)),
    onLive: () => messages.push('live'),
    onLost: () => messages.push('lost'),
  });
  subscriber.subscribe('c');
  await waitFor('the subscription', () => messages.includes('live'));
  expect(await redis.send('a', ['SET', 'a', '1', 'PX', '600000'], soonMs())).toBe('OK');
  address = second.host;
  await waitFor('three connections to the other server', async () => (await ours(second)) === 3, 20_000);
  expect(await ours(first)).toBe(0);
  await waitFor('the subscription there', () => messages.join() === 'live,lost,live');
  expect(await redis.send('a', ['SET', 'a', '2', 'PX', '600000'], soonMs())).toBe('OK');
  expect([await first.command('GET', 'a'), await second.command('GET', 'a')]).toEqual(['1', '2']);
  expect(warnings.filter((text) => text.includes('host name has moved'))).toHaveLength(1);
  expect(redis.topologyStatus().changes).toBe(1);
}, 40_000);
