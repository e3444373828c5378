/**
 * Tests watches through the service, on the memory store and on a subscriber that the test can make fail.
 */
import { noCacheMetrics } from '../../test/support/cache/no-metrics.ts';
import { callContext, invalidateRequest, setRequest, TestStream } from '../../test/support/cache/requests.ts';
import { waitFor } from '../../test/support/wait.ts';
import { DEFAULT_POLICY_FILE } from '../config/policy-file.ts';
import { Status } from '../grpc/status.ts';
import { systemClock as clock } from '../lib/clock.ts';
import { BUCKET_COUNT } from '../lib/key-hash.ts';
import { LocalChannels, localChannelNames } from '../near/local-channels.ts';
import type { Subscriber, SubscriberListener } from '../near/subscriber.ts';
import { MemoryCacheStore } from './memory-store.ts';
import { createCacheService } from './service.ts';

function setUp(options: { holdBack?: boolean } = {}) {
  const channels = new LocalChannels();
  const store = new MemoryCacheStore({ clock, channels, maxEntries: 10_000, maxBytes: 10_000_000 });
  const subscribers: { listener: SubscriberListener; isClosed: boolean; subscribed: Set<string> }[] = [];
  let barrier: () => Promise<boolean> = async () => true;
  const service = createCacheService({
    maxValueBytes: 1_048_576,
    store,
    createSubscriber: (listener): Subscriber => {
      const held = { ...listener, onLive: options.holdBack === true ? () => {} : listener.onLive };
      const inner = channels.createSubscriber(held);
      const state = { listener, isClosed: false, subscribed: new Set<string>() };
      subscribers.push(state);
      return {
        subscribe: (channel) => {
          state.subscribed.add(channel);
          inner.subscribe(channel);
        },
        unsubscribe: (channel) => {
          state.subscribed.delete(channel);
          inner.unsubscribe(channel);
        },
        barrier: () => barrier(),
        close: () => {
          state.isClosed = true;
          inner.close();
        },
      };
    },
    channelNames: localChannelNames,
    policies: { current: () => DEFAULT_POLICY_FILE },
    clock,
    metrics: noCacheMetrics,
  });
  return {
    service,
    subscribers,
    setBarrier: (action: () => Promise<boolean>) => {
      barrier = action;
    },
    watch: (leftMs = 60_000) => {
      const call = callContext({ leftMs });
      const stream = new TestStream(call);
      return { call, stream, ended: service.handlers.WatchInvalidations({ namespace: 'n' }, call, stream) };
    },
    set: (key: string) => service.handlers.CacheSet(setRequest({ key: Buffer.from(key) }), callContext()),
    invalidate: (fields: Parameters<typeof invalidateRequest>[0]) =>
      service.handlers.CacheInvalidate(invalidateRequest(fields), callContext()),
    confirm: async (watchId: number, leftMs = 5_000) =>
      (await service.handlers.ConfirmInvalidations({ watchId }, callContext({ leftMs }))).validForMs,
  };
}

async function started(t: ReturnType<typeof setUp>) {
  const watch = t.watch();
  await waitFor('the start of the watch', () => watch.stream.watchId > 0);
  return watch;
}

test('reports its start, then keys, tags and flushes of its namespace in order', async () => {
  const t = setUp();
  const { stream, call, ended } = await started(t);
  t.set('a');
  t.service.handlers.CacheSet(setRequest({ namespace: 'other' }), callContext());
  await t.invalidate({ keys: [Buffer.from('b')] });
  await t.invalidate({ tags: ['t'] });
  await waitFor('three events', () => stream.events.length === 3);
  await t.invalidate({ all: true });
  await waitFor('four events', () => stream.events.length === 4);
  expect(stream.events).toEqual(['key a', 'key b', 'tag t', 'flush']);
  call.end();
  await ended;
});

test('unsubscribes and closes the subscriber when the last caller has ended its watch', async () => {
  const t = setUp();
  expect(t.subscribers).toHaveLength(0);
  const first = await started(t);
  const second = await started(t);
  expect(t.subscribers).toHaveLength(1);
  expect(t.subscribers[0]?.subscribed.size).toBe(2 * BUCKET_COUNT);
  first.call.end();
  await first.ended;
  expect(t.subscribers[0]?.subscribed.size).toBe(2 * BUCKET_COUNT);
  second.call.end();
  await second.ended;
  expect(t.subscribers[0]).toMatchObject({ isClosed: true });
  expect(await t.confirm(second.stream.watchId)).toBe(0);
});

test('reports one flush for lost channels and one for their repair, and confirms nothing in between', async () => {
  const t = setUp();
  const { stream, call, ended } = await started(t);
  const subscriber = t.subscribers[0];
  const lost = [localChannelNames.cacheChannel('n', 3), localChannelNames.cacheTagChannel('n', BUCKET_COUNT - 1)];
  for (const channel of lost) {
    subscriber?.listener.onLost(channel);
  }
  await waitFor('a flush', () => stream.events.length === 1);
  expect(await t.confirm(stream.watchId)).toBe(0);
  subscriber?.listener.onLive(lost[0] ?? '');
  expect(await t.confirm(stream.watchId)).toBe(0);
  subscriber?.listener.onLive(lost[1] ?? '');
  await waitFor('another flush', () => stream.events.length === 2);
  expect(stream.events).toEqual(['flush', 'flush']);
  expect(await t.confirm(stream.watchId)).toBe(500);
  call.end();
  await ended;
});

test('reports a flush if a message cannot be decoded', async () => {
  const t = setUp();
  const { stream, call, ended } = await started(t);
  t.set('a');
  t.set('a');
  await waitFor('two events', () => stream.events.length === 2);
  const garbled = localChannelNames.cacheTagChannel('n', 7);
  t.subscribers[0]?.listener.onMessage(garbled, Buffer.of(9, 9));
  await waitFor('the flush', () => stream.events.at(-1) === 'flush');
  call.end();
  await ended;
});

test('replaces the queue of a slow reader by a flush if it overflows', async () => {
  const t = setUp();
  const { stream, call, ended } = await started(t);
  stream.block();
  for (let index = 0; index < 1_500; index += 1) {
    t.set(`key-${index}`);
  }
  await waitFor('the first event', () => stream.events.length === 1);
  stream.unblock();
  await waitFor('the flush', () => stream.events.includes('flush'));
  expect(stream.events.length).toBeLessThan(1_100);
  call.end();
  await ended;
});

test('confirms only after every earlier event was delivered', async () => {
  const t = setUp();
  const { stream, call, ended } = await started(t);
  stream.block();
  t.set('a');
  t.set('b');
  await waitFor('the first event', () => stream.events.length === 1);
  expect(await t.confirm(stream.watchId, 100)).toBe(0);
  // This deadline exceeds the longest delay of a timer.
  const confirmed = t.confirm(stream.watchId, 1e12);
  stream.unblock();
  expect(await confirmed).toBe(500);
  expect(stream.events).toEqual(['key a', 'key b']);
  t.setBarrier(async () => false);
  expect(await t.confirm(stream.watchId)).toBe(0);
  expect(await t.confirm(stream.watchId + 1)).toBe(0);
  expect(await t.confirm(-1)).toBe(0);
  call.end();
  await ended;
});

test('waits for the delivery of an event that arrived during the barrier', async () => {
  const t = setUp();
  const { stream, call, ended } = await started(t);
  stream.block();
  t.setBarrier(async () => {
    t.set('during');
    return true;
  });
  expect(await t.confirm(stream.watchId, 100)).toBe(0);
  stream.unblock();
  expect(await t.confirm(stream.watchId)).toBe(500);
  expect(stream.events).toContain('key during');
  call.end();
  await ended;
});

test('ends a watch as UNAVAILABLE at its deadline if its channels do not become live', async () => {
  const t = setUp({ holdBack: true });
  const { ended } = t.watch(50);
  await expect(ended).rejects.toMatchObject({
    code: Status.UNAVAILABLE,
    message: 'cannot watch invalidations: the store has not confirmed all subscriptions of the namespace; retry later',
  });
  expect(t.subscribers[0]).toMatchObject({ isClosed: true });
});

test('rejects a watch while 64 are open', async () => {
  const t = setUp();
  const watches = await Promise.all(Array.from({ length: 64 }, () => started(t)));
  await expect(t.watch().ended).rejects.toMatchObject({
    code: Status.RESOURCE_EXHAUSTED,
    message: 'cannot watch invalidations: 64 watches are open; close one or retry later',
  });
  watches[0]?.call.end();
  await watches[0]?.ended;
  const late = await started(t);
  t.service.close();
  await Promise.all([...watches.slice(1), late].map((watch) => watch.ended));
});
