/**
 * Channels that a server refuses: they are asked for again, but not in a storm.
 */
import { type FakeRedisPeer, startFakeRedisPeer } from '../../test/support/fake-redis-peer.ts';
import { redisOptions } from '../../test/support/redis-client.ts';
import { waitFor } from '../../test/support/wait.ts';
import { ChannelSubscriber } from './subscriber.ts';

let peer: FakeRedisPeer;
let subscriber: ChannelSubscriber;

afterEach(async () => {
  subscriber.close();
  await peer.close();
});

test('a right that is missing: ever more seldom, and live soon after the right is given', async () => {
  const live: string[] = [];
  let isRefusing = true;
  peer = await startFakeRedisPeer({
    onCommand: ({ words, answer }) => {
      const [name = '', channel = ''] = words;
      if (name === 'SSUBSCRIBE') {
        const taken = `>3\r\n$10\r\nssubscribe\r\n$${channel.length}\r\n${channel}\r\n:1\r\n`;
        answer(isRefusing ? '-NOPERM no channel\r\n' : taken);
      } else {
        answer('$6\r\nssub=1\r\n');
      }
    },
  });
  subscriber = new ChannelSubscriber({
    redis: redisOptions(`redis://127.0.0.1:${peer.port}`),
    listener: { onMessage: () => undefined, onLost: () => undefined, onLive: (channel) => live.push(channel) },
    ownerOf: () => ({ host: '127.0.0.1', port: peer.port }),
    wishRefresh: () => undefined,
    onClose: () => undefined,
  });
  subscriber.subscribe('a');
  const asked = (): number => peer.commands.filter(({ words }) => words[0] === 'SSUBSCRIBE').length;
  const untilMs = performance.now() + 3_000;
  await waitFor('three seconds', () => performance.now() > untilMs);
  expect(asked()).toBeGreaterThan(2);
  // At the most, by halves of 150, 300, 600, 1,200 and 2,400 ms: six.
  expect(asked()).toBeLessThan(9);
  isRefusing = false;
  await waitFor('live', () => live.length === 1);
});
