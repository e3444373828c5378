/**
 * A real Redis server for a test: a container where a container engine answers, else a local `redis-server` process.
 *
 * `PANNIER_TEST_REDIS=process` or `=container` forces one. Both listen on 127.0.0.1 on a port of their own, keep nothing on
 * disk, can be frozen (sockets stay open, nothing answers), thawed and killed, and end with the test process.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createClient, RESP_TYPES } from '@redis/client';
import { waitFor } from '../wait.ts';
import { type Backend, type BackendServer, chooseBackend } from './backend.ts';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
  /** redis://127.0.0.1:PORT, or rediss:// */
  readonly url: string;
  /** SIGSTOP or its like: connections stay open, nothing is answered. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** One command over an administrator's connection; text comes back as string. */
  command(...args: readonly string[]): Promise<unknown>;
}

export interface RedisServerOptions {
  args?: readonly string[];
  /** Unset: a free one. */
  port?: number;
  /** An address of this machine; unset: 127.0.0.1. */
  host?: string;
  /** A Sentinel that monitors nothing yet. */
  isSentinel?: boolean;
  /** Unset: the default user. */
  username?: string;
  /** What `requirepass` in args says, for the administrator's connection. */
  password?: string;
  tls?: RedisTls;
}

/** Files that the server reads; a directory that holds them all is made visible to it. */
export interface RedisTls {
  directory: string;
  certificate: Buffer;
  authority: Buffer;
  args: readonly string[];
  /** What the administrator's connection presents, and by which name it verifies the server; unset: nothing, and its address. */
  clientPair?: { readonly cert: Buffer; readonly key: Buffer };
  serverName?: string;
}

/** Somebody else may take a port between the moment in which we see it free and the moment in which the server binds it. */
const ATTEMPTS = 5;
const LOCALHOST = '127.0.0.1';

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisNode> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (options.port !== undefined || attempt === ATTEMPTS) {
        throw error;
      }
    }
  }
}

async function startOnce(options: RedisServerOptions): Promise<RedisNode> {
  const backend: Backend = await chooseBackend();
  const port = options.port ?? (await freePort());
  const listen = options.tls === undefined ? ['--port', String(port)] : ['--port', '0', '--tls-port', String(port)];
  const server: BackendServer = await backend.start({
    args: [
      ...listen,
      ...['--bind', options.host ?? LOCALHOST],
      ...(options.isSentinel === true ? ['--sentinel'] : ['--save', '', '--appendonly', 'no']),
      ...(options.tls?.args ?? []),
      ...(options.args ?? []),
    ],
    ...(options.tls === undefined ? {} : { directory: options.tls.directory }),
    ...(options.isSentinel === undefined ? {} : { isSentinel: options.isSentinel }),
  });
  const node = createNode(server, port, options);
  await waitFor('Redis answering', async () => (await node.command('PING')) === 'PONG', 20_000);
  return node;
}

function createNode(server: BackendServer, port: number, options: RedisServerOptions): RedisNode {
  const scheme = options.tls === undefined ? 'redis' : 'rediss';
  const host = options.host ?? LOCALHOST;
  let admin: Promise<AdminConnection> | undefined;

  async function closeAdmin(): Promise<void> {
    const connection = await admin?.catch(() => undefined);
    connection?.close();
    admin = undefined;
  }

  return {
    host,
    port,
    url: `${scheme}://${host}:${port}`,
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    kill: async () => {
      await closeAdmin();
      await server.kill();
    },
    stop: async () => {
      await closeAdmin();
      await server.kill();
    },
    command: async (...args) => {
      admin ??= openAdmin(port, options);
      try {
        return await (await admin).send(args);
      } catch (error) {
        if (!(await admin.catch(() => undefined))?.isOpen()) {
          admin = undefined;
        }
        throw error;
      }
    },
  };
}

interface AdminConnection {
  send(args: readonly string[]): Promise<unknown>;
  isOpen(): boolean;
  close(): void;
}

async function openAdmin(port: number, options: RedisServerOptions): Promise<AdminConnection> {
  const socket = { host: options.host ?? LOCALHOST, port, connectTimeout: 2_000, reconnectStrategy: false as const };
  const client = createClient({
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    socket: options.tls === undefined ? socket : { ...socket, ...administratorTls(options.tls) },
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.SIMPLE_STRING]: String } },
  });
  client.on('error', () => undefined);
  await client.connect();
  return {
    send: (args) => client.sendCommand([...args]),
    isOpen: () => client.isReady,
    close: () => client.destroy(),
  };
}

function administratorTls({ authority, clientPair, serverName }: RedisTls): {
  tls: true;
  ca: Buffer;
  servername?: string;
} {
  const name = serverName === undefined ? {} : { servername: serverName };
  return { tls: true, ca: authority, ...clientPair, ...name };
}

/**
 * A port that is free now, and whose cluster bus port (10,000 above) is one too. Below the range that systems hand out by
 * themselves, so that no outgoing connection takes it in the meantime.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 10_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) {
      return port;
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('listening', () => resolve(true));
    // Not by events.once: waiting for another event, it rejects at an error.
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1');
  });
  if (free) {
    server.close();
    await once(server, 'close');
  }
  return free;
}
