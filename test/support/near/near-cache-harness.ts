/**
 * Creates a near cache for tests. The test takes the role of the subscriber: it makes channels live, reports channels
 * as lost and sends messages. The clock is a fake clock.
 */
import { bucketOf } from '../../../src/lib/key-hash.ts';
import { InvalidationHub } from '../../../src/near/invalidation-hub.ts';
import { encodeInvalidationMessage } from '../../../src/near/invalidation-message.ts';
import { localChannelNames } from '../../../src/near/local-channels.ts';
import { NearCache, type NearValue, type Placeholder } from '../../../src/near/near-cache.ts';
import type { SubscriberListener } from '../../../src/near/subscriber.ts';
import { FakeClock } from '../lib/fake-clock.ts';

export const KEY = Buffer.from('key');

export interface NearHarnessOptions {
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  readonly maxNearChannels?: number;
  readonly maxPlaceholders?: number;
}

export function setUpNear(options: NearHarnessOptions = {}) {
  const clock = new FakeClock();
  const subscribed = new Set<string>();
  let listener: SubscriberListener | undefined;
  let closedCount = 0;
  const hub = new InvalidationHub({
    clock,
    channelNames: localChannelNames,
    maxNearChannels: options.maxNearChannels ?? 1_000,
    createSubscriber: (given) => {
      listener = given;
      return {
        subscribe: (channel) => subscribed.add(channel),
        unsubscribe: (channel) => subscribed.delete(channel),
        barrier: async () => true,
        close: () => {
          closedCount += 1;
        },
      };
    },
  });
  const near = new NearCache({
    clock,
    hub,
    maxEntries: options.maxEntries ?? 1_000,
    maxBytes: options.maxBytes ?? 10_000_000,
    ...(options.maxPlaceholders === undefined ? {} : { maxPlaceholders: options.maxPlaceholders }),
  });
  let sequence = 0;
  return {
    clock,
    hub,
    near,
    subscribed,
    closedCount: () => closedCount,
    get: (key: Buffer = KEY) => near.get('n', key, clock.monotonicMs()),
    live: (channel: string) => listener?.onLive(channel),
    lost: (channel: string) => listener?.onLost(channel),
    say: (channel: string, ...names: string[]) => {
      sequence += 1;
      listener?.onMessage(
        channel,
        encodeInvalidationMessage({
          kind: 'names',
          incarnation: 'incarnat',
          sequence,
          stamp: String(sequence).padStart(8),
          names,
        }),
      );
    },
  };
}

export type NearHarness = ReturnType<typeof setUpNear>;

export function nearValue(text: string, options: Partial<NearValue> = {}): NearValue {
  return {
    absent: false,
    value: Buffer.from(text),
    version: Buffer.of(1),
    tags: [],
    ageMs: 0,
    ttlMs: 60_000,
    ...options,
  };
}

export function channelOf(key: Buffer): string {
  return localChannelNames.cacheChannel('n', bucketOf(key));
}

export function tagChannelOf(tag: string): string {
  return localChannelNames.cacheTagChannel('n', bucketOf(tag));
}

export function begin(test: NearHarness): Placeholder {
  return test.near.begin('n', KEY);
}

/** Performs a read that returns `value`. */
export function fill(test: NearHarness, value: NearValue, key = KEY): void {
  test.near.fill(test.near.begin('n', key), value);
}

/** Makes the channel of the key live and sends the first message of the channel. */
export function ready(test: NearHarness, key = KEY): void {
  test.near.begin('n', key);
  test.live(channelOf(key));
  test.say(channelOf(key), 'nothing');
}
