/**
 * Opens one connection with node-redis: the only place that knows its options.
 *
 * What node-redis would do of its own accord is turned off, since it was measured or read to fail (docs/redis.md): command
 * timeouts (costly, and they do not bound the reply), reconnecting (it can end for good, and topology must be asked first), the
 * offline queue (it would replay increments), maintenance notifications. A client lives for one connection; the next one is new.
 */
import { createClient, RESP_TYPES } from '@redis/client';
import type { NodeAddress } from './address.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import type { RedisAccess } from './options.ts';

export interface OpenClient {
  /** Rejects with an Error whose message begins with Redis' code, or with node-redis' own errors. */
  send(command: readonly RedisArgument[]): Promise<RedisReply>;
  sSubscribe(channel: string, onMessage: (message: Buffer, channel: Buffer) => void): Promise<void>;
  sUnsubscribe(channel: string): Promise<void>;
  destroy(): void;
}

export interface ClientEvents {
  /** Once, when the connection is gone, whoever ended it. */
  onLost(reason: string): void;
  /** The server took a sharded channel away, and node-redis noticed. */
  onChannelMoved?(channel: string): void;
}

/** Connects and logs in, within `access.connectTimeoutMs` for all of it. Rejects with the cause. */
export async function openClient(address: NodeAddress, access: RedisAccess, events: ClientEvents): Promise<OpenClient> {
  const credentials = await access.credentials();
  const socket = {
    host: address.host,
    port: address.port,
    connectTimeout: access.connectTimeoutMs,
    reconnectStrategy: false as const,
    keepAliveInitialDelay: 5_000,
  };
  const tls = { tls: true as const, ...(access.tlsCa === undefined ? {} : { ca: access.tlsCa }) };
  const client = createClient({
    ...(credentials.username === undefined ? {} : { username: credentials.username }),
    ...(credentials.password === undefined ? {} : { password: credentials.password }),
    socket: access.isTls ? { ...socket, ...tls } : socket,
    RESP: 3,
    name: 'pannier',
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandsQueueMaxLength: access.queueMax + CONTROL_COMMANDS,
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  let isLost = false;
  let isOpened = false;
  function lose(reason: string): void {
    if (!isLost && isOpened) {
      isLost = true;
      events.onLost(reason);
    }
  }
  client.on('error', (error: unknown) => lose(error instanceof Error ? error.name : 'error'));
  client.on('end', () => lose('end'));
  client.on('terminated', () => lose('terminated'));
  client.on('sharded-channel-moved', (channel: string) => events.onChannelMoved?.(channel));

  await connectInTime(client, access.connectTimeoutMs);
  if (!client.isReady) {
    throw new Error('Cannot connect to Redis: the connection was lost at once');
  }
  isOpened = true;
  return {
    send: (command) => client.sendCommand(command as RedisArgument[]) as Promise<RedisReply>,
    sSubscribe: async (channel, onMessage) => {
      await client.sSubscribe(channel, onMessage as (message: Buffer, channel: Buffer) => unknown, true);
    },
    sUnsubscribe: async (channel) => {
      await client.sUnsubscribe(channel);
    },
    destroy: () => {
      if (client.isOpen) {
        client.destroy();
      }
      lose('closed');
    },
  };
}

/** ASKING and the like come on top of what callers may queue. */
const CONTROL_COMMANDS = 1_000;

/** node-redis bounds the TCP connect only: a server that accepts and never answers HELLO would hang it for ever. */
async function connectInTime(
  client: { connect(): Promise<unknown>; destroy(): void; isOpen: boolean },
  timeoutMs: number,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Cannot connect to Redis: no answer in time')), timeoutMs);
  });
  const connected = client.connect();
  try {
    await Promise.race([connected, late]);
  } catch (error) {
    connected.catch(() => undefined);
    if (client.isOpen) {
      client.destroy();
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
