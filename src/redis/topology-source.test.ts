/**
 * Tests which servers a refresh reads, and how often, while some masters are not connected.
 */

import { redisOptions, soonMs } from '../../test/support/redis/client.ts';
import { type FakeRedisPeer, startFakeRedisPeer } from '../../test/support/redis/fake-redis-peer.ts';
import { freePort } from '../../test/support/redis/server.ts';
import { waitFor } from '../../test/support/wait.ts';
import { createRedis, type Redis } from './redis.ts';
import { createTopologySource } from './topology-source.ts';

let peers: FakeRedisPeer[];
let redis: Redis;

afterEach(async () => {
  redis.close();
  await Promise.all(peers.map((peer) => peer.close()));
});

test('reads the other seeds and the replica in turn while one of two masters is down', async () => {
  const awayPort = await freePort();
  const replica = await startFakeRedisPeer();
  const master = await startFakeRedisPeer({
    onCommand: (command) => command.answer(slots([master.port], [awayPort, replica.port])),
  });
  const seeds = [await startFakeRedisPeer(), await startFakeRedisPeer()];
  peers = [master, replica, ...seeds];
  redis = createRedis(redisOptions([master, ...seeds].map(({ port }) => `redis://127.0.0.1:${port}`).join(',')));
  redis.start();
  await waitFor('the connection to the master', () => redis.describe().some((node) => node.isReady));
  const before = peers.map((peer) => peer.accepted());
  await waitFor('all others asked', () =>
    peers.every((peer, index) => peer === master || peer.accepted() > (before[index] ?? 0)),
  );
});

test('reads again soon, and is not ready, while slots have no owner, as during the creation of a Cluster', async () => {
  let isMade = false;
  const peer = await startFakeRedisPeer({
    onCommand: ({ words, answer }) => {
      const whole = slots([peer.port]);
      answer(words[0] === 'CLUSTER' ? (isMade ? whole : whole.replace(':16383', ':5460')) : '+OK\r\n');
    },
  });
  peers = [peer];
  redis = createRedis(redisOptions(`redis://127.0.0.1:${peer.port}`));
  redis.start();
  await waitFor('the connection', () => redis.describe().some((node) => node.isReady));
  // One query is sent at the start, and one because of the new connection. There is no other reason for a query.
  await waitFor('two questions', () => peer.commands.filter(({ words }) => words[0] === 'CLUSTER').length >= 2);
  expect(redis.isReady()).toBe(false);
  // The key's slot is 7629.
  await expect(redis.send('k', ['GET', 'k'], soonMs())).rejects.toThrow('no Redis node is known to serve this key');
  isMade = true;
  await waitFor('all slots', () => redis.isReady(), 5_000);
  expect(await redis.send('k', ['GET', 'k'], soonMs())).toBe('OK');
});

test('shares one refresh among both roles for 250 ms', async () => {
  const peer = await startFakeRedisPeer({
    onCommand: ({ words, answer }) => answer(words[0] === 'CLUSTER' ? slots([peer.port]) : '-CLUSTERDOWN\r\n'),
  });
  peers = [peer];
  const options = redisOptions(`redis://127.0.0.1:${peer.port}`, { commandTimeoutMs: 5_000 });
  const source = createTopologySource(options);
  redis = createRedis(options, source);
  const other = createRedis(options, source);
  for (const role of [redis, other]) {
    role.start();
  }
  await waitFor('both connections', () => redis.isReady() && other.isReady());
  const questions = (): number => peer.commands.filter(({ words }) => words[0] === 'CLUSTER').length;
  let before = questions();
  await waitFor('no refresh due', () => {
    const isQuiet = questions() === before;
    before = questions();
    return isQuiet;
  });
  const calls = Array.from({ length: 200 }, (_, index) =>
    (index % 2 === 0 ? redis : other).send('k', ['GET', 'k'], soonMs()),
  );
  const ended = await Promise.allSettled(calls);
  expect(ended.every(({ status }) => status === 'rejected')).toBe(true);
  expect(questions() - before).toBeLessThanOrEqual(2);
  other.close();
  // The source runs while at least one of its members exists.
  await expect(redis.send('k', ['GET', 'k'], soonMs())).rejects.toThrow('down');
});

/** Returns a CLUSTER SLOTS reply for shards, each given by the ports of its master and replicas. */
function slots(...shards: readonly (readonly number[])[]): string {
  const share = Math.ceil(16_384 / shards.length);
  const ranges = shards.map((ports, index) => {
    const nodes = ports.map((port) => `*3\r\n$9\r\n127.0.0.1\r\n:${port}\r\n$1\r\nx\r\n`);
    return `*${2 + ports.length}\r\n:${index * share}\r\n:${Math.min(16_383, (index + 1) * share - 1)}\r\n${nodes.join('')}`;
  });
  return `*${shards.length}\r\n${ranges.join('')}`;
}
