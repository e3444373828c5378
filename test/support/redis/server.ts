/**
 * Runs a real Redis server for a test: a container if a container engine answers, otherwise a local `redis-server`
 * process.
 *
 * `PANNIER_TEST_REDIS=process` or `=container` forces one of these two ways. Each server listens on 127.0.0.1 on a
 * separate port and writes nothing to disk. A test can freeze the server (sockets stay open, but no command is
 * answered), thaw it and kill it. The server stops when the test process exits.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createClient, RESP_TYPES } from '@redis/client';
import { waitFor } from '../wait.ts';
import { type Backend, type BackendServer, chooseBackend } from './backend.ts';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
  /** URL of the server, such as redis://127.0.0.1:PORT or rediss://127.0.0.1:PORT. */
  readonly url: string;
  /** Freezes the server (SIGSTOP or similar): connections stay open, but the server answers no command. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Kills the server (SIGKILL). */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Sends one command over an administrator's connection. Text replies are returned as strings. */
  command(...args: readonly string[]): Promise<unknown>;
}

export interface RedisServerOptions {
  args?: readonly string[];
  /** Port of the server. If unset, a free port is used. */
  port?: number;
  /** Local address on which the server listens, 127.0.0.1 by default. */
  host?: string;
  /** Whether to start a Sentinel that does not monitor a master yet. */
  isSentinel?: boolean;
  /** User of the administrator's connection. If unset, the default user is used. */
  username?: string;
  /** Password of the administrator's connection, which must equal `requirepass` in `args`. */
  password?: string;
  tls?: RedisTls;
}

/** TLS files of the server, in a directory that the server can read. */
export interface RedisTls {
  directory: string;
  certificate: Buffer;
  authority: Buffer;
  args: readonly string[];
  /** Client certificate of the administrator's connection. If unset, no certificate is sent. */
  clientPair?: { readonly cert: Buffer; readonly key: Buffer };
  serverName?: string;
}

/**
 * Number of attempts to bind a port. Another process may bind the port after this process has found that it is free.
 */
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
 * Returns a free port whose cluster bus port (higher by 10,000) is free too. The port is below the range of ephemeral
 * ports, so no outgoing connection uses it in the meantime.
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
    // events.once is not used here, because it rejects if an error event occurs before the awaited event.
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1');
  });
  if (free) {
    server.close();
    await once(server, 'close');
  }
  return free;
}
