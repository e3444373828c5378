/**
 * Tests that refused channels are subscribed again with backoff, and that a barrier fails if the topology names another
 * owner for a channel.
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

test('backs off if a permission is missing, and subscribes soon after it is granted', async () => {
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
  // The backoff allows at most six attempts, because its delays are at least half of 100, 200, 400, 800, 1,600 and
  // 3,200 ms.
  expect(fake.count('SSUBSCRIBE')).toBeLessThan(9);
  fake.answers.delete('SSUBSCRIBE');
  await waitFor('live', () => live.length === 1);
});

test('fails a barrier once the topology names another owner, even if the server still answers', async () => {
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

test('reconnects at once when the master was reached', async () => {
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
  // With the backoff alone, only a few attempts would be made before this wait times out.
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
