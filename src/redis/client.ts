/**
 * Opens one connection with node-redis: the only place that knows its options.
 *
 * What node-redis would do of its own accord is turned off, since it was measured or read to fail (docs/internals/redis-connections.md): command
 * timeouts (costly, and they do not bound the reply), reconnecting (it can end for good, and topology must be asked first), the
 * offline queue (it would replay increments), maintenance notifications. A client lives for one connection; the next one is new.
 *
 * The class is constructed directly, because `createClient` first attaches 400 commands to it, one by one: 70 ms, and 20 MB of garbage whose
 * pages V8 never returns. Pannier only sends raw commands. The bundle leaves the commands out (scripts/node-redis-tables.ts).
 */
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import {
  ClientClosedError,
  ClientOfflineError,
  RESP_TYPES,
  RedisClient,
  SocketClosedUnexpectedlyError,
} from '@redis/client';
import { readFailureCode } from '../lib/system-code.ts';
import { addressText, type NodeAddress } from './address.ts';
import { NO_ADDRESS_MAP } from './address-map.ts';
import type { RedisArgument, RedisReply } from './commands.ts';
import { connectPacer } from './connect-pacer.ts';
import { joinWrites } from './joined-writes.ts';
import type { RedisAccess } from './options.ts';
import { guardQueues } from './queue-guard.ts';
import { UnusableServerError } from './refused-server.ts';
import { type TlsOptions, tlsOptions } from './tls.ts';

export interface OpenClient {
  /** Rejects with an Error whose message begins with Redis' code, or with node-redis' own errors. */
  send(command: readonly RedisArgument[]): Promise<RedisReply>;
  /** A channel that is not sharded. */
  subscribe(channel: string, onMessage: (message: Buffer) => void): Promise<void>;
  sSubscribe(channel: string, onMessage: (message: Buffer, channel: Buffer) => void): Promise<void>;
  sUnsubscribe(channel: string): Promise<void>;
  /** Bytes of replies that have arrived on this connection, finished or not: the only proof that the other side is there. */
  bytesRead(): number;
  /** When the guard asked the server, if it then reported that it is a standalone master; otherwise long ago. */
  readonly vouchedAtMs: number;
  destroy(): void;
}

/** Whether node-redis says that it never took the command, so that certainly nothing of it was sent. */
export function wasNeverTaken(error: unknown): boolean {
  return (
    error instanceof ClientOfflineError ||
    error instanceof ClientClosedError ||
    (error instanceof Error && error.message === 'The queue is full')
  );
}

export interface ClientEvents {
  /**
   * Once, when the connection is gone, whoever ended it. The reason is `hung up` (the server closed it), a code of the system's
   * (ECONNRESET, ETIMEDOUT ...), `unreadable` (a reply that is no RESP), or `closed` by us.
   */
  onLost(reason: string): void;
  /** The server took a sharded channel away, and node-redis noticed. */
  onChannelMoved?(channel: string): void;
}

/**
 * Connects and logs in, within `access.connectTimeoutMs` (and as much again for reading the credentials). Rejects with the cause, and
 * then nothing of it is left.
 */
export async function openClient(address: NodeAddress, access: RedisAccess, events: ClientEvents): Promise<OpenClient> {
  const name = addressText(address);
  connectPacer.began(name);
  try {
    const client = await openOnce(address, access, events);
    connectPacer.succeeded(name);
    return client;
  } catch (error) {
    connectPacer.failed(name);
    throw error;
  }
}

async function openOnce(address: NodeAddress, access: RedisAccess, events: ClientEvents): Promise<OpenClient> {
  guardQueues();
  const credentials = await inTime(
    access.credentials(),
    access.connectTimeoutMs,
    (limit) => `the credentials were not read ${limit}`,
  );
  const resolvedTo: string[] = [];
  const socket = {
    host: address.host,
    port: address.port,
    connectTimeout: access.connectTimeoutMs,
    reconnectStrategy: false as const,
    keepAliveInitialDelay: 5_000,
    lookup: recordingLookup(access.lookup ?? (dns.lookup as LookupFunction), resolvedTo),
  };
  const tls = access.isTls ? await readTlsOptions(address, access) : {};
  const client = new RedisClient({
    ...(credentials.username === undefined ? {} : { username: credentials.username }),
    ...(credentials.password === undefined ? {} : { password: credentials.password }),
    socket: { ...socket, ...tls },
    RESP: 3,
    name: 'pannier',
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandsQueueMaxLength: access.maxQueue + CONTROL_COMMANDS,
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  let isLost = false;
  let isOpened = false;
  /** By TCP, and by TLS where it is used. */
  let isReached = false;
  let closed: (() => void) | undefined;
  function lose(reason: string): void {
    if (!isLost && isOpened) {
      isLost = true;
      // An error does not always close the connection: after a reply that it cannot read node-redis would go on with it.
      client.destroy();
      closed?.();
      events.onLost(reason);
    }
  }
  client.on('connect', () => {
    isReached = true;
  });
  client.on('error', (error: unknown) => lose(reasonOf(error)));
  client.on('end', () => lose('end'));
  client.on('terminated', (cause: unknown) => lose(reasonOf(cause)));
  client.on('sharded-channel-moved', (channel: string) => events.onChannelMoved?.(channel));

  const send: OpenClient['send'] = (command) => client.sendCommand(command as RedisArgument[]) as Promise<RedisReply>;
  joinWrites(client);
  const bytesRead = countBytesRead(client);
  let vouchedAtMs: number | undefined;
  // node-redis bounds the TCP connect only: a server that accepts and never answers HELLO would hang it for ever.
  try {
    await inTime(client.connect(), access.connectTimeoutMs, (limit) => unansweredText(access.isTls, isReached, limit));
    if (access.guard !== undefined && client.isReady) {
      const verified = access.guard.verify(address, send);
      vouchedAtMs = await inTime(
        verified,
        access.connectTimeoutMs,
        (limit) => `the server did not report its role ${limit}`,
      );
    }
    if (!client.isReady) {
      throw new Error('cannot connect to Redis: the connection was lost at once');
    }
  } catch (error) {
    // A socket that is being connected is not node-redis' yet: destroy would leave it, and it would log in later and stay for ever.
    client.on('connect', () => client.destroy());
    client.destroy();
    throw error;
  }
  isOpened = true;
  closed = access.guard?.opened({ resolvedTo, drop: lose });
  return {
    send,
    bytesRead,
    vouchedAtMs: vouchedAtMs ?? Number.NEGATIVE_INFINITY,
    subscribe: async (channel, onMessage) => {
      await client.subscribe(channel, onMessage, true);
    },
    sSubscribe: async (channel, onMessage) => {
      await client.sSubscribe(channel, onMessage as (message: Buffer, channel: Buffer) => unknown, true);
    },
    sUnsubscribe: async (channel) => {
      await client.sUnsubscribe(channel);
    },
    destroy: () => lose('closed'),
  };
}

async function readTlsOptions(address: NodeAddress, access: RedisAccess): Promise<TlsOptions> {
  const files = await inTime(
    access.tlsFiles?.() ?? Promise.resolve({ ca: undefined, clientPair: undefined }),
    access.connectTimeoutMs,
    (limit) => `the TLS files were not read ${limit}`,
  );
  return tlsOptions(address, files, {
    addressMap: access.addressMap ?? NO_ADDRESS_MAP,
    serverName: access.tlsServerName,
  });
}

/**
 * Counts what arrives. node-redis shows neither its socket nor how much was read on it; every piece that arrives goes through `write` of its
 * decoder. A test fails when that is so no more.
 */
function countBytesRead(client: object): () => number {
  const { decoder } = (client as { _getQueue(): { decoder: { write(chunk: Buffer): void } } })._getQueue();
  const write = decoder.write.bind(decoder);
  let bytes = 0;
  decoder.write = (chunk) => {
    bytes += chunk.length;
    write(chunk);
  };
  return () => bytes;
}

/** Leaves in `resolvedTo` the addresses of the latest lookup. */
function recordingLookup(lookup: LookupFunction, resolvedTo: string[]): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, address, family) => {
      const addresses = Array.isArray(address) ? address.map((one) => one.address) : [address];
      resolvedTo.splice(0, resolvedTo.length, ...addresses);
      callback(error, address, family);
    });
}

/** One of few words: for metrics. */
function reasonOf(error: unknown): string {
  if (error instanceof SocketClosedUnexpectedlyError) {
    return 'hung up';
  }
  return readFailureCode(error);
}

class NoAnswerInTime extends UnusableServerError {}

function unansweredText(isTls: boolean, isReached: boolean, limit: string): string {
  if (isReached) {
    return `the server accepted the connection and did not answer ${limit}`;
  }
  return isTls
    ? `the TLS handshake got no answer ${limit}; does the port serve TLS, and is the host reachable?`
    : `the TCP connection was not accepted ${limit}`;
}

/** ASKING and the like come on top of what callers may queue. */
const CONTROL_COMMANDS = 1_000;

async function inTime<Value>(
  promise: Promise<Value>,
  timeoutMs: number,
  found: (limit: string) => string,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswerInTime(found(`in time (${timeoutMs} ms)`))), timeoutMs);
  });
  // It may still fail when nobody waits for it any more.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
