/**
 * Tests the subscriber on real servers: the order of messages, lost and restored subscriptions, barriers, and a frozen
 * node.
 */
import type { RedisListener, RedisSubscriber } from '../../src/redis/commands.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { migrateSlot, slotOf } from '../support/redis/slot-migration.ts';
import { waitFor } from '../support/wait.ts';

/** Records all events. */
class Recorder implements RedisListener {
  readonly events: string[] = [];

  onMessage(channel: string, message: Buffer): void {
    this.events.push(`${channel}=${message}`);
  }

  onLive(channel: string): void {
    this.events.push(`${channel} live`);
  }

  onLost(channel: string): void {
    this.events.push(`${channel} lost`);
  }

  count(event: string): number {
    return this.events.filter((known) => known === event).length;
  }
}

async function publish(redis: Redis, channel: string, message: string): Promise<void> {
  await redis.send(channel, ['SPUBLISH', channel, message], soonMs());
}

async function clientCount(node: RedisNode, word: string): Promise<number> {
  const list = String(await node.command('CLIENT', 'LIST'));
  return list.split('\n').filter((line) => line.includes(word)).length;
}

describe('standalone', () => {
  let node: RedisNode;
  let redis: Redis;
  let subscriber: RedisSubscriber;
  let recorder: Recorder;

  beforeEach(async () => {
    node = await startRedis();
    redis = await openRedis(node.url);
    recorder = new Recorder();
    subscriber = redis.createSubscriber(recorder);
  });

  afterEach(async () => {
    redis?.close();
    await node?.stop();
  });

  test('opens no connection without a channel, delivers in order, and stops after unsubscribing and closing', async () => {
    const before = await clientCount(node, 'name=pannier');
    expect(before).toBe(1);
    subscriber.subscribe('a');
    await waitFor('a live', () => recorder.count('a live') === 1);
    expect(await clientCount(node, 'ssub=1')).toBe(1);
    for (let index = 0; index < 100; index += 1) {
      void publish(redis, 'a', String(index));
    }
    await publish(redis, 'a', 'last');
    expect(await subscriber.barrier(soonMs())).toBe(true);
    const numbers = Array.from({ length: 100 }, (_, index) => `a=${index}`);
    expect(recorder.events).toEqual(['a live', ...numbers, 'a=last']);
    subscriber.unsubscribe('a');
    await publish(redis, 'a', 'late');
    await waitFor('the connection closed', async () => (await clientCount(node, 'name=pannier')) === 1);
    expect(recorder.events.at(-1)).toBe('a=last');
    redis.close();
    await waitFor('none of our connections', async () => (await clientCount(node, 'name=pannier')) === 0);
  });

  test('is live and receives messages after it was unsubscribed and subscribed again at once', async () => {
    subscriber.subscribe('keeps');
    subscriber.subscribe('a');
    await waitFor('both live', () => recorder.count('a live') + recorder.count('keeps live') === 2);
    for (let round = 0; round < 20; round += 1) {
      subscriber.unsubscribe('a');
      subscriber.subscribe('a');
    }
    await waitFor('live again', () => recorder.count('a live') === 2);
    await publish(redis, 'a', 'heard');
    expect(await subscriber.barrier(soonMs())).toBe(true);
    expect(recorder.count('a=heard')).toBe(1);
    expect(await clientCount(node, 'ssub=2')).toBe(1);
    expect(recorder.count('a lost') + recorder.count('keeps lost')).toBe(0);
  });

  test('loses channels at once when the server kills the connection, and then subscribes them again', async () => {
    subscriber.subscribe('a');
    subscriber.subscribe('b');
    await waitFor('both live', () => recorder.count('a live') + recorder.count('b live') === 2);
    const list = String(await node.command('CLIENT', 'LIST'));
    const id = /^id=(\d+).*ssub=2/m.exec(list)?.[1] ?? '';
    await node.command('CLIENT', 'KILL', 'ID', id);
    await waitFor('both live again', () => recorder.count('a live') + recorder.count('b live') === 4);
    expect(recorder.count('a lost')).toBe(1);
    expect(recorder.count('b lost')).toBe(1);
    await publish(redis, 'a', 'after');
    expect(await subscriber.barrier(soonMs())).toBe(true);
    expect(recorder.count('a=after')).toBe(1);
  });

  test('fails the barrier by its deadline on a frozen server, loses the channels, and subscribes them after the thaw', async () => {
    subscriber.subscribe('a');
    await waitFor('a live', () => recorder.count('a live') === 1);
    await node.freeze();
    const begunMs = performance.now();
    expect(await subscriber.barrier(soonMs(50))).toBe(false);
    expect(performance.now() - begunMs).toBeLessThan(1_000);
    // The client drops the connection, because the periodic barrier receives no reply within the command timeout.
    await waitFor('a lost', () => recorder.count('a lost') === 1, 3_000);
    expect(await subscriber.barrier(soonMs())).toBe(false);
    await node.thaw();
    await waitFor('a live again', () => recorder.count('a live') === 2);
    await publish(redis, 'a', 'after');
    await waitFor('a message', () => recorder.count('a=after') === 1);
  });

  test('keeps a healthy connection if a barrier has little time left', async () => {
    subscriber.subscribe('a');
    await waitFor('a live', () => recorder.count('a live') === 1);
    await Promise.all(Array.from({ length: 20 }, () => subscriber.barrier(soonMs(0))));
    expect(await subscriber.barrier(soonMs())).toBe(true);
    expect(recorder.events).toEqual(['a live']);
  });
});

describe('a Cluster', () => {
  let cluster: RedisCluster;
  let redis: Redis;

  beforeAll(async () => {
    cluster = await startCluster();
    redis = await openRedis(cluster.urls);
  });

  afterAll(async () => {
    redis?.close();
    await cluster?.stop();
  });

  test('loses the channel of a moved slot, and subscribes it on the new master, with channels in all slots', async () => {
    const recorder = new Recorder();
    const subscriber = redis.createSubscriber(recorder);
    const channels = Array.from({ length: 30 }, (_, index) => `channel-${index}`);
    for (const channel of channels) {
      subscriber.subscribe(channel);
    }
    await waitFor('all live', () => channels.every((channel) => recorder.count(`${channel} live`) === 1));
    await Promise.all(channels.map((channel) => publish(redis, channel, 'one')));
    expect(await subscriber.barrier(soonMs())).toBe(true);
    expect(channels.map((channel) => recorder.count(`${channel}=one`))).toEqual(channels.map(() => 1));

    const moved = 'channel-7';
    const source = cluster.masterOf(moved);
    const target = cluster.masters().find((master) => master.port !== source.port) as RedisNode;
    const migration = migrateSlot({ slot: slotOf(moved), source, target, cluster });
    await migration.begin();
    await migration.finish();
    await waitFor('lost', () => recorder.count(`${moved} lost`) === 1);
    await waitFor('live again', () => recorder.count(`${moved} live`) === 2);
    await publish(redis, moved, 'two');
    await waitFor('the message from its new master', () => recorder.count(`${moved}=two`) === 1);
    await waitFor('an intact barrier', async () => await subscriber.barrier(soonMs()));
    expect(recorder.count(`${moved}=two`)).toBe(1);
    const live = channels.filter((channel) => recorder.count(`${channel} live`) > recorder.count(`${channel} lost`));
    expect(live).toEqual(channels);
    subscriber.close();
  });
});
