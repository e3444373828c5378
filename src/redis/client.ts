/**
 * Opens one connection with node-redis. Only this module uses the options of node-redis.
 *
 * This module disables features of node-redis that failed in tests or reviews (docs/internals/redis-connections.md).
 * The command timeouts of node-redis are expensive and do not limit the time until the reply. The automatic reconnect
 * can stop permanently and ignores topology changes. The offline queue would send increments a second time. This module
 * also disables the maintenance notifications. A client serves one connection, and each reconnect creates a new client.
 *
 * The client class is constructed directly, because `createClient` attaches 400 commands one by one. Attaching them
 * would take 70 ms and create 20 MB of garbage, and V8 never returns that memory to the system. Pannier sends only raw
 * commands, so the bundle omits the command table (scripts/node-redis-tables.ts).
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
  /**
   * Sends a command. Rejects with an Error whose message begins with Redis' error code, or with an error of node-redis.
   */
  send(command: readonly RedisArgument[]): Promise<RedisReply>;
  /** Subscribes to a channel that is not sharded. */
  subscribe(channel: string, onMessage: (message: Buffer) => void): Promise<void>;
  sSubscribe(channel: string, onMessage: (message: Buffer, channel: Buffer) => void): Promise<void>;
  sUnsubscribe(channel: string): Promise<void>;
  /**
   * Returns the number of bytes received on this connection, including partial replies. Received bytes are the only
   * proof that the server is alive.
   */
  bytesRead(): number;
  /**
   * Monotonic time at which `access.guard` sent ROLE, if the server replied that it is a standalone master; otherwise
   * negative infinity.
   */
  readonly vouchedAtMs: number;
  destroy(): void;
}

/** Returns whether node-redis rejected the command before it sent any byte of the command. */
export function wasNeverTaken(error: unknown): boolean {
  return (
    error instanceof ClientOfflineError ||
    error instanceof ClientClosedError ||
    (error instanceof Error && error.message === 'The queue is full')
  );
}

export interface ClientEvents {
  /**
   * Called once when the connection has ended, whichever side closed it. Examples of reasons are `hung up` (the server
   * closed the connection), system error codes (ECONNRESET, ETIMEDOUT ...), `unreadable` (the reply was not RESP), and
   * `closed` (the sidecar closed the connection).
   */
  onLost(reason: string): void;
  /** Called when node-redis reports that the server has ended a sharded subscription. */
  onChannelMoved?(channel: string): void;
}

/**
 * Reads the credentials and, for TLS, the TLS files. Then connects and logs in, and has `access.guard` verify the
 * server. Each of these steps has a time limit of `access.connectTimeoutMs`. If a step fails, rejects with the cause
 * and leaves no connection open.
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
  /** Whether the TCP connection and, if used, the TLS handshake succeeded. */
  let isReached = false;
  let closed: (() => void) | undefined;
  function lose(reason: string): void {
    if (!isLost && isOpened) {
      isLost = true;
      // Not every error closes the connection: node-redis would continue after an unreadable reply.
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
  // node-redis limits only the time for the TCP connection. Without our limit, it would wait forever for a server that
  // accepts the connection but never answers HELLO.
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
    // node-redis has no reference to a socket that is still connecting, so `destroy` would not close it. The connection
    // would complete its login later and stay open forever.
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
 * Counts the bytes that the client receives, and returns a function that returns this number. node-redis exposes
 * neither its socket nor a counter, but every received chunk passes through `write` of its decoder. A test fails if a
 * new version of node-redis changes this.
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

/** Returns a lookup that also stores the addresses of its latest result in `resolvedTo`. */
function recordingLookup(lookup: LookupFunction, resolvedTo: string[]): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, address, family) => {
      const addresses = Array.isArray(address) ? address.map((one) => one.address) : [address];
      resolvedTo.splice(0, resolvedTo.length, ...addresses);
      callback(error, address, family);
    });
}

/** Returns the reason for a lost connection. The set of reasons is small, so that metrics can use it as a label. */
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
    ? `the TLS handshake got no answer ${limit}; check that the port serves TLS and the host is reachable`
    : `the TCP connection was not accepted ${limit}`;
}

/** Number of queue slots for ASKING and similar commands, in addition to the slots for the commands of callers. */
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
  // The promise may reject after the timeout, when no caller handles the rejection anymore.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
