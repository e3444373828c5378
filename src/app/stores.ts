/**
 * Defines the stores of a sidecar, independently of where the data is stored. The module open-stores.ts opens the
 * stores. This module is part of the composition root.
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
  /** Names of the channels on which the cache store publishes. */
  readonly channelNames: ChannelNames;
  readonly createSubscriber: (listener: SubscriberListener) => Subscriber;
  /** Whether Redis has replied since the start; always true for memory stores. */
  hasAnswered(): boolean;
  /** Whether a role refuses all calls because this release cannot read the format of the stored data. */
  isRefused(): boolean;
  /** Returns lines about the state of the stores for the body of /readyz. */
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
