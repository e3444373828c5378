/**
 * What the room is given at start, and what it tells while it runs.
 */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TimerWheel } from '../lib/timer-wheel.ts';
import type { CredentialsSource, Seed } from './address.ts';

/** Counters of one deployment. `node` is host:port, `code` a Redis error code or a word of ours. */
export interface RedisMetrics {
  roundTrip(node: string, durationMs: number): void;
  commandError(node: string, code: string): void;
  reconnected(node: string): void;
  connectionLost(node: string, reason: string): void;
}

export const noRedisMetrics: RedisMetrics = {
  roundTrip: () => undefined,
  commandError: () => undefined,
  reconnected: () => undefined,
  connectionLost: () => undefined,
};

/** How to get in, and the bounds of a connection. */
export interface RedisAccess {
  readonly credentials: CredentialsSource;
  readonly isTls: boolean;
  readonly tlsCa: Buffer | undefined;
  readonly connectTimeoutMs: number;
  /** Commands in flight on one connection; more are refused. */
  readonly queueMax: number;
}

export interface RedisOptions extends RedisAccess {
  /** `state` or `cache`: for logs. */
  readonly role: string;
  readonly seeds: readonly Seed[];
  /** No command waits longer for its answer; a connection that is silent for so long is given up. */
  readonly commandTimeoutMs: number;
  readonly connectionsPerMaster: number;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly metrics: RedisMetrics;
  readonly log: Logger;
}
