/**
 * What a store may ask of Redis: the contract between the capability modules and this one.
 *
 * Blob strings come back as Buffer, simple strings as string, integers as number, nil as null. Every promise settles by
 * `deadlineAtMs` (monotonic) or by the per-command timeout, whichever is first, and rejects with a StoreError only.
 */
import type { StoreError } from '../lib/store-error.ts';
import type { KeyType, Script } from './lua-script.ts';

export type RedisArgument = string | Buffer;
export type RedisReply = null | number | string | Buffer | RedisReply[];

export interface RedisCommands {
  /**
   * Runs a script on the master of `keys[0]`'s slot. All keys are of one slot.
   * Follows MOVED and ASK, loads the script where it is missing, repeats TRYAGAIN within the deadline. A script of kind `read` is repeated
   * once if its connection is lost.
   */
  run(
    script: Script,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply>;
  /**
   * One command (its name and arguments) on the master of `key`'s slot. Those of READ_COMMANDS are reads: the role of the server is
   * verified, and they may be repeated once. Every other command counts as a write.
   */
  send(
    key: RedisArgument,
    command: readonly RedisArgument[],
    deadlineAtMs: number,
    options?: CommandOptions,
  ): Promise<RedisReply>;
}

export interface CommandOptions {
  /** About how many bytes the reply may have: budgeted per connection, so that large reads cannot fill the memory of the pod. */
  readonly expectedReplyBytes?: number;
  /** Of `send`: what the key should hold. A key of another type is removed then, and the command sent once more. */
  readonly keyType?: KeyType;
  /** Calls are served without it: a missing permission is reported by its sender, and is no refusal that operators must end. */
  readonly isPermissionOptional?: boolean;
}

/** Bare commands that write nothing. A replica answers them, so they are only believed from a server whose role was verified. */
export const READ_COMMANDS: ReadonlySet<string> = new Set(['EXISTS', 'GET', 'HGET', 'HGETALL', 'HMGET', 'MGET']);

/**
 * Receives what happens on the sharded channels of one Redis deployment. Callbacks run in the order of the connection. It and `RedisSubscriber`
 * have the form that the invalidation hub asks for (near/subscriber.ts).
 */
export interface RedisListener {
  /** A message of a channel that is live. */
  onMessage(channel: string, message: Buffer): void;
  /** The channel is subscribed from now on: messages published after this reach onMessage, until onLost. */
  onLive(channel: string): void;
  /** Messages may have been missed from now on (connection lost, slot moved). onLive follows when it is repaired. */
  onLost(channel: string): void;
  /**
   * The reply of the channel's probe: of a live channel, one at a time, and never of an earlier subscription than the last onLive. Whatever
   * was published before the server ran the probe has been handed to onMessage; some of what was published after it may have been too.
   */
  onProbe?(channel: string, reply: RedisReply): void;
}

/** One bare read command in the slot of the channel, created each time it is sent; its reply goes to `onProbe`. */
export type ChannelProbe = () => readonly RedisArgument[];

export interface RedisSubscriber {
  /** Begins to keep the channel subscribed, on whichever master owns its slot; idempotent. */
  subscribe(channel: string, probe?: ChannelProbe): void;
  unsubscribe(channel: string): void;
  /** Why channels of it are not subscribed until an operator acts; undefined where none is known. */
  readonly refusal?: StoreError | undefined;
  /**
   * Resolves true when every message published before this call on any subscribed channel has been handed to onMessage,
   * every subscription is known to be intact, and every server that holds one has proved since to be a master that serves its slots;
   * false when that cannot be said by `deadlineAtMs`. Never rejects.
   */
  barrier(deadlineAtMs: number): Promise<boolean>;
  close(): void;
}
