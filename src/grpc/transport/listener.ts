/**
 * Listens on loopback TCP and on a unix socket, and knows every connection.
 *
 * Unix socket: mode 0660 unless another is asked for; removed when the listener closes; one that nobody listens on any more is replaced; one that
 * answers, and a path that is no socket, are refused.
 */
import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

const DEFAULT_SOCKET_MODE = 0o660;
/** sun_path of Linux holds 108 bytes with its end; what is longer would be cut off in silence. */
const MAX_SOCKET_PATH_BYTES = 107;
const PROBE_TIMEOUT_MS = 1_000;

export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #onEmpty: (() => void)[] = [];

  constructor(options: { maxConnections: number; onConnection: (socket: Socket) => void }) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      // The HTTP/2 session reports a broken connection; without a listener it would end the process as well.
      socket.on('error', () => {});
      socket.once('close', () => this.#forget(socket));
      options.onConnection(socket);
    });
    this.#server.maxConnections = options.maxConnections;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Returns the port that was bound. */
  async listenTcp(address: { host: string; port: number }): Promise<number> {
    const name = address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
    await this.#listen({ host: address.host, port: address.port }, name);
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : address.port;
  }

  async listenUnix(path: string, mode = DEFAULT_SOCKET_MODE): Promise<void> {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      throw new Error(
        `cannot listen on ${path}: the path has ${Buffer.byteLength(path)} bytes, wanted at most ${MAX_SOCKET_PATH_BYTES}`,
      );
    }
    // Node answers EACCES for a directory that is missing, which would send an operator the wrong way.
    if (!existsSync(dirname(path))) {
      throw new Error(`cannot listen on ${path}: ${LISTEN_ERRORS.ENOENT}`);
    }
    await removeStaleSocket(path);
    await this.#listen({ path }, path);
    chmodSync(path, mode);
  }

  /** Takes no more connections; a unix socket is removed. Those that are there stay. */
  stopListening(): void {
    if (this.#server.listening) {
      this.#server.close();
    }
  }

  /** Resolves true once there is no connection, false after `timeoutMs`. */
  whenEmpty(timeoutMs: number): Promise<boolean> {
    if (this.#sockets.size === 0) {
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#onEmpty.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  destroyConnections(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    if (this.#sockets.size === 0) {
      for (const resolve of this.#onEmpty.splice(0)) {
        resolve();
      }
    }
  }

  #listen(options: ListenOptions, name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(name, error)));
      this.#server.listen(options, () => {
        this.#server.removeAllListeners('error');
        // E.g. EMFILE when a connection is accepted: the connection is lost, the server goes on.
        this.#server.on('error', () => {});
        resolve();
      });
    });
  }
}

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use, wanted a free one',
  EADDRNOTAVAIL: 'this machine does not have the address, wanted one of its own',
  EACCES: 'permission is denied, wanted a port or directory that this user may use',
  ENOENT: 'the directory does not exist, wanted one that does',
  ENOTFOUND: 'the host name is unknown, wanted an address',
  EROFS: 'the file system is read-only, wanted a directory that can be written',
};

function listenError(name: string, error: NodeJS.ErrnoException): Error {
  const reason = LISTEN_ERRORS[error.code ?? ''] ?? `the system answers ${error.code ?? error.message}`;
  return new Error(`cannot listen on ${name}: ${reason}`, { cause: error });
}

async function removeStaleSocket(path: string): Promise<void> {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  if (entry === undefined) {
    return;
  }
  if (!entry.isSocket()) {
    throw new Error(`cannot listen on ${path}: it is there and no socket, wanted a free path`);
  }
  if (await isAlive(path)) {
    throw new Error(`cannot listen on ${path}: another process listens there, wanted a free path`);
  }
  unlinkSync(path);
}

/** Whether somebody accepts connections on the socket. What neither accepts nor refuses is taken for alive. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const settle = (alive: boolean): void => {
      probe.destroy();
      resolve(alive);
    };
    probe.setTimeout(PROBE_TIMEOUT_MS, () => settle(true));
    probe.once('connect', () => settle(true));
    probe.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED'));
  });
}
