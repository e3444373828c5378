/**
 * What a store may ask of Redis: the contract between the capability rooms and this one.
 *
 * Blob strings come back as Buffer, simple strings as string, integers as number, nil as null. Every promise settles by
 * `deadlineAtMs` (monotonic) or by the per-command timeout, whichever is first, and rejects with a StoreError only.
 */
import type { Script } from './script.ts';

export type RedisArgument = string | Buffer;
export type RedisReply = null | number | string | Buffer | RedisReply[];

export interface RedisCommands {
  /**
   * Runs a script on the master of `keys[0]`'s slot. All keys are of one slot.
   * Follows MOVED and ASK, loads the script where it is missing, repeats TRYAGAIN within the deadline.
   */
  run(
    script: Script,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    deadlineAtMs: number,
  ): Promise<RedisReply>;
  /** One command (its name and arguments) on the master of `key`'s slot. */
  send(key: RedisArgument, command: readonly RedisArgument[], deadlineAtMs: number): Promise<RedisReply>;
}

/** What arrives on the sharded channels of one Redis deployment. Callbacks run in the order of the connection. */
export interface SubscriberListener {
  /** A message of a channel that is live. */
  onMessage(channel: string, message: Buffer): void;
  /** The channel is subscribed from now on: messages published after this reach onMessage, until onLost. */
  onLive(channel: string): void;
  /** Messages may have been missed from now on (connection lost, slot moved). onLive follows when it is repaired. */
  onLost(channel: string): void;
}

export interface RedisSubscriber {
  /** Begins to keep the channel subscribed, on whichever master owns its slot; idempotent. */
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /**
   * Resolves true when every message published before this call on any subscribed channel has been handed to onMessage
   * and every subscription is known to be intact; false when that cannot be said by `deadlineAtMs`. Never rejects.
   */
  barrier(deadlineAtMs: number): Promise<boolean>;
  close(): void;
}
