/**
 * The stores that a sidecar works with, whatever keeps their data. open-stores.ts opens them. Part of the composition root.
 */
import type { CacheStore } from '../cache/store.ts';
import type { Settings } from '../config/load.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TimerWheel } from '../lib/timer-wheel.ts';
import type { ChannelNames, Subscriber, SubscriberListener } from '../near/subscriber.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RateLimitStore } from '../rate-limit/store.ts';
import type { SessionStore } from '../session/store.ts';

export interface Stores {
  readonly kind: 'memory' | 'redis';
  readonly rateLimit: RateLimitStore;
  readonly session: SessionStore;
  readonly cache: CacheStore;
  /** Names of the channels that the store of the cache publishes on. */
  readonly channelNames: ChannelNames;
  readonly createSubscriber: (listener: SubscriberListener) => Subscriber;
  hasAnswered(): boolean;
  /** Whether calls of a role are refused because of the format of the stored data. */
  isRefused(): boolean;
  /** Lines for the body of /readyz. */
  describe(): readonly string[];
  close(): void;
}

export interface StoresOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Logger;
  readonly metrics: Metrics;
}
