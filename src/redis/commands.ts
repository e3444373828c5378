/**
 * Defines the Redis operations that stores use. This interface is the contract between the capability modules and
 * src/redis.
 *
 * Blob strings are returned as Buffer, simple strings as string, integers as number, nil as null. Every promise settles
 * by `deadlineAtMs` (monotonic) or the command timeout, whichever is earlier, and rejects only with a StoreError.
 */
import type { StoreError } from '../lib/store-error.ts';
import type { KeyType, Script } from './lua-script.ts';

export type RedisArgument = string | Buffer;
export type RedisReply = null | number | string | Buffer | RedisReply[];

export interface RedisCommands {
  /**
   * Runs a script on the master that owns the slot of `keys[0]`. All keys must be in one slot. Follows MOVED and ASK,
   * loads a missing script, and repeats the command after TRYAGAIN until the deadline. If the connection is lost, a
   * script of kind `read` is repeated once.
   */
  run(
    script: Script,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply>;
  /**
   * Sends one command (name and arguments) to the master that owns the slot of `key`. For a command in READ_COMMANDS,
   * src/redis verifies the role of the server and may repeat the command once. Every other command is treated as a
   * write.
   */
  send(
    key: RedisArgument,
    command: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply>;
}

export interface CommandOptions {
  /**
   * Estimated size of the reply. Each connection limits the sum of the estimated sizes, so that large reads cannot
   * exhaust the pod's memory.
   */
  readonly expectedReplyBytes?: number;
  /**
   * Expected type of the key that is passed to `send`. If the key has another type, src/redis removes the key and sends
   * the command once more.
   */
  readonly keyType?: KeyType;
  /**
   * Whether the sidecar serves calls even if the Redis user lacks the permission for this command. In this case, the
   * sender of the command reports the missing permission, and the refusal log does not record the refusal.
   */
  readonly isPermissionOptional?: boolean;
}

/**
 * Commands that write nothing. A replica answers these commands too, so the connection verifies the role of the server
 * before it accepts their replies.
 */
export const READ_COMMANDS: ReadonlySet<string> = new Set(['EXISTS', 'GET', 'HGET', 'HGETALL', 'HMGET', 'MGET']);

/**
 * Receives the events of the sharded channels of one Redis deployment, in the order in which the events arrive on the
 * connection. This interface and `RedisSubscriber` match the interfaces that the invalidation bus expects
 * (near/subscriber.ts).
 */
export interface RedisListener {
  /** Handles a message of a live channel, which is a channel with a completed subscription. */
  onMessage(channel: string, message: Buffer): void;
  /** Handles a completed subscription. Messages published from now on reach onMessage, until onLost is called. */
  onLive(channel: string): void;
  /**
   * Handles a lost subscription (connection lost, slot moved). The listener may have missed messages. The subscriber
   * calls onLive once it has subscribed to the channel again.
   */
  onLost(channel: string): void;
  /**
   * Handles the reply to a probe (ChannelProbe) of a live channel. Replies are delivered one at a time, and only for
   * the subscription that the last onLive reported. Every message published before the server ran the probe has already
   * reached onMessage. Later messages may also have reached onMessage.
   */
  onProbe?(channel: string, reply: RedisReply): void;
}

/**
 * Returns a read command for a key in the slot of the channel. The subscriber calls this function for each probe, and
 * passes the reply of Redis to `onProbe`.
 */
export type ChannelProbe = () => readonly RedisArgument[];

export interface RedisSubscriber {
  /** Keeps the channel subscribed on the master that owns the slot of the channel. Idempotent. */
  subscribe(channel: string, probe?: ChannelProbe): void;
  unsubscribe(channel: string): void;
  /** Reason why channels stay unsubscribed until an operator acts; undefined if no action is needed. */
  readonly refusal?: StoreError | undefined;
  /**
   * Resolves to true once three conditions hold. All messages that were published on subscribed channels before this
   * call have reached onMessage. All subscriptions are intact. Since the call, each server with a subscription has
   * proved that it is a master and serves the slots of the subscribed channels. Resolves to false if the conditions are
   * not certain by `deadlineAtMs`. Never rejects.
   */
  barrier(deadlineAtMs: number): Promise<boolean>;
  close(): void;
}
