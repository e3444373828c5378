/**
 * Channels that a server refuses are asked for again, but not in a storm; a barrier believes only whom the topology names.
 */

import { redisOptions, soonMs } from '../../test/support/redis/client.ts';
import { type FakeMaster, MASTER, REPLICA, startFakeMaster } from '../../test/support/redis/fake-redis-master.ts';
import { waitFor } from '../../test/support/wait.ts';
import { ChannelSubscriber } from './subscriber.ts';

let fake: FakeMaster;
let subscriber: ChannelSubscriber;

afterEach(async () => {
  subscriber.close();
  await fake.peer.close();
});

test('a right that is missing: ever more seldom, and live soon after the right is given', async () => {
  const live: string[] = [];
  fake = await startFakeMaster();
  fake.answers.set('SSUBSCRIBE', '-NOPERM no channel\r\n');
  subscriber = new ChannelSubscriber({
    redis: redisOptions(`redis://127.0.0.1:${fake.peer.port}`),
    listener: { onMessage: () => undefined, onLost: () => undefined, onLive: (channel) => live.push(channel) },
    ownerOf: () => ({ host: '127.0.0.1', port: fake.peer.port }),
    wishRefresh: () => undefined,
    refusalOf: () => undefined,
    onNotPermitted: () => undefined,
    onClose: () => undefined,
  });
  subscriber.subscribe('a');
  const untilMs = performance.now() + 3_000;
  await waitFor('three seconds', () => performance.now() > untilMs);
  expect(fake.count('SSUBSCRIBE')).toBeGreaterThan(2);
  // At the most, by halves of 100, 200, 400, 800, 1,600 and 3,200 ms: six.
  expect(fake.count('SSUBSCRIBE')).toBeLessThan(9);
  fake.answers.delete('SSUBSCRIBE');
  await waitFor('live', () => live.length === 1);
});

test('a barrier is not whole once the topology names another owner, though the server still answers', async () => {
  fake = await startFakeMaster();
  let port = fake.peer.port;
  const live: string[] = [];
  subscriber = new ChannelSubscriber({
    redis: redisOptions(`redis://127.0.0.1:${port}`),
    listener: { onMessage: () => undefined, onLost: () => undefined, onLive: (channel) => live.push(channel) },
    ownerOf: () => ({ host: '127.0.0.1', port }),
    wishRefresh: () => undefined,
    refusalOf: () => undefined,
    onNotPermitted: () => undefined,
    onClose: () => undefined,
  });
  subscriber.subscribe('a');
  await waitFor('live', () => live.length === 1);
  expect(await subscriber.barrier(soonMs())).toBe(true);
  port += 1;
  expect(await subscriber.barrier(soonMs())).toBe(false);
});

test('a connection that waits for its next attempt tries at once when the master was reached', async () => {
  fake = await startFakeMaster();
  fake.answers.set('ROLE', REPLICA);
  const live: string[] = [];
  subscriber = new ChannelSubscriber({
    redis: redisOptions(`redis://127.0.0.1:${fake.peer.port}`),
    listener: { onMessage: () => undefined, onLost: () => undefined, onLive: (channel) => live.push(channel) },
    ownerOf: () => ({ host: '127.0.0.1', port: fake.peer.port }),
    wishRefresh: () => undefined,
    refusalOf: () => undefined,
    onNotPermitted: () => undefined,
    onClose: () => undefined,
  });
  subscriber.subscribe('a');
  // By itself it would try a handful of times in the time that is waited here.
  await waitFor('thirty attempts', () => {
    subscriber.reconnectNow();
    return fake.peer.accepted() >= 30;
  });
  expect(live).toEqual([]);
  fake.answers.set('ROLE', MASTER);
  await waitFor('live', () => {
    subscriber.reconnectNow();
    return live.length === 1;
  });
});
