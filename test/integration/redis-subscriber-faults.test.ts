/**
 * Tests subscriptions while no caller requests a barrier. The server freezes, starts late, revokes the permission for a
 * channel, or fails and is replaced by its replica.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { ACL_PASSWORD, ACL_USER, createAclUser } from '../support/redis/acl.ts';
import { openRedis, redisOptions, soonMs } from '../support/redis/client.ts';
import { startCluster } from '../support/redis/cluster.ts';
import { freePort, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

/**
 * Maximum time until the client detects a fault: the interval of periodic barriers (1 s), the command timeout, and the
 * lag of timers.
 */
const NOTICED_WITHIN_MS = 1_000 + 250 + 100;

interface Ear {
  readonly live: string[];
  readonly lost: string[];
  readonly heard: string[];
  subscribe(channel: string): void;
  close(): void;
}

function listenTo(redis: Redis): Ear {
  const live: string[] = [];
  const lost: string[] = [];
  const heard: string[] = [];
  const subscriber = redis.createSubscriber({
    onMessage: (_, message) => heard.push(message.toString()),
    onLive: (channel) => live.push(channel),
    onLost: (channel) => lost.push(channel),
  });
  return { live, lost, heard, subscribe: (channel) => subscriber.subscribe(channel), close: () => subscriber.close() };
}

async function publish(redis: Redis, channel: string, message: string): Promise<void> {
  await waitFor('a published message', async () => {
    const listeners = await redis.send(channel, ['SPUBLISH', channel, message], soonMs());
    return Number(listeners) > 0;
  });
}

test('detects a frozen server by the periodic barrier', async () => {
  const node = await startRedis();
  const redis = await openRedis(node.url);
  const ear = listenTo(redis);
  ear.subscribe('a');
  await waitFor('a live', () => ear.live.length === 1);
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  await node.freeze();
  const frozenAtMs = performance.now();
  await waitFor('a lost', () => ear.lost.length === 1);
  const noticedMs = performance.now() - frozenAtMs;
  lag.disable();
  expect(noticedMs).toBeLessThan(NOTICED_WITHIN_MS + 2 * (lag.max / 1e6));
  await node.thaw();
  await waitFor('a live again', () => ear.live.length === 2);
  await publish(redis, 'a', 'after');
  await waitFor('the message', () => ear.heard.length === 1);
  expect(ear.heard).toEqual(['after']);
  redis.close();
  await node.stop();
});

test('subscribes a channel that was requested before the server existed', async () => {
  const port = await freePort();
  const redis = createRedis(redisOptions(`redis://127.0.0.1:${port}`));
  redis.start();
  const ear = listenTo(redis);
  ear.subscribe('a');
  const node = await startRedis({ port });
  await waitFor('a live', () => ear.live.length === 1);
  await publish(redis, 'a', 'first');
  await waitFor('the message', () => ear.heard.length === 1);
  expect(ear.heard).toEqual(['first']);
  expect(ear.lost).toEqual([]);
  redis.close();
  await node.stop();
});

test('loses a channel when its permission is revoked, and subscribes it again when it is granted', async () => {
  const node = await startRedis();
  await createAclUser(node, { prefix: 'test:' });
  const redis = await openRedis(node.url, {
    credentials: async () => ({ username: ACL_USER, password: ACL_PASSWORD }),
  });
  const ear = listenTo(redis);
  const channel = 'test:cache-inv:{n:1}';
  ear.subscribe(channel);
  await waitFor('live', () => ear.live.length === 1);
  // Redis closes the connection of a client that is subscribed to a channel for which the client no longer has
  // permission.
  await node.command('ACL', 'SETUSER', ACL_USER, 'resetchannels');
  await waitFor('lost', () => ear.lost.length === 1);
  await waitFor('refusals', async () => JSON.stringify(await node.command('ACL', 'LOG')).includes('channel'));
  expect(ear.live).toHaveLength(1);
  await node.command('ACL', 'SETUSER', ACL_USER, '&test:cache-inv:*');
  await waitFor('live again', () => ear.live.length === 2);
  redis.close();
  await node.stop();
});

test('loses the channels of a dead master at once, and subscribes them at the replica without affecting others', async () => {
  const cluster = await startCluster();
  const redis = await openRedis(cluster.urls);
  const ear = listenTo(redis);
  const channels = Array.from({ length: 12 }, (_, index) => `channel-${index}`);
  for (const channel of channels) {
    ear.subscribe(channel);
  }
  await waitFor('all live', () => ear.live.length === channels.length);
  const victim = cluster.masterOf('channel-0');
  const concerned = channels.filter((channel) => cluster.masterOf(channel) === victim).sort();
  await victim.kill();
  await waitFor('the losses', () => ear.lost.length === concerned.length);
  await waitFor('all live again', () => ear.live.length === channels.length + concerned.length, 20_000);
  expect([...ear.lost].sort()).toEqual(concerned);
  await publish(redis, 'channel-0', 'at the new master');
  await waitFor('the message', () => ear.heard.length === 1);
  expect(ear.heard).toEqual(['at the new master']);
  ear.close();
  redis.close();
  await cluster.stop();
}, 60_000);
