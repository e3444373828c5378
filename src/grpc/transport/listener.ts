/**
 * Listens on a TCP address or a unix socket, and tracks its connections.
 *
 *   1. A unix socket has mode 0660 unless the options set another mode. The listener removes the socket when it closes.
 *   2. The listener replaces a socket that a dead process left behind.
 *   3. Listening fails if another process accepts connections on the socket, or if the path is not a socket.
 */
import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

const DEFAULT_SOCKET_MODE = 0o660;
/**
 * Maximum length of a socket path: on Linux, sun_path has 108 bytes including the terminating NUL byte. A longer path
 * would be truncated without an error.
 */
const MAX_SOCKET_PATH_BYTES = 107;
const PROBE_TIMEOUT_MS = 1_000;

export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #onEmpty: (() => void)[] = [];

  constructor(options: { maxConnections: number; onConnection: (socket: Socket) => void }) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      // The transport handles broken connections. Without this event listener, an error would end the process.
      socket.on('error', () => {});
      socket.once('close', () => this.#forget(socket));
      options.onConnection(socket);
    });
    this.#server.maxConnections = options.maxConnections;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens on a TCP address and returns the bound port. */
  async listenTcp(address: { host: string; port: number }): Promise<number> {
    const name = address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
    await this.#listen({ host: address.host, port: address.port }, name);
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : address.port;
  }

  async listenUnix(path: string, mode = DEFAULT_SOCKET_MODE): Promise<void> {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      throw new Error(
        `cannot listen on ${path}: the path has ${Buffer.byteLength(path)} bytes; use at most ${MAX_SOCKET_PATH_BYTES}`,
      );
    }
    // Node reports a missing directory as EACCES, which would mislead an operator.
    if (!existsSync(dirname(path))) {
      throw new Error(`cannot listen on ${path}: ${LISTEN_ERRORS.ENOENT}`);
    }
    await removeStaleSocket(path);
    await this.#listen({ path }, path);
    chmodSync(path, mode);
  }

  /** Stops accepting connections and removes the unix socket. Open connections stay open. */
  stopListening(): void {
    if (this.#server.listening) {
      this.#server.close();
    }
  }

  /** Resolves to true once all connections are closed, or to false after `timeoutMs`. */
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
        // Without this event listener, a failure to accept a connection, such as EMFILE, would end the process.
        this.#server.on('error', () => {});
        resolve();
      });
    });
  }
}

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use; use another one',
  EADDRNOTAVAIL: 'this host does not have the address; use one of its addresses',
  EACCES: 'permission denied; use a port or directory that this user may use',
  ENOENT: 'the directory does not exist; create it',
  ENOTFOUND: 'the host name is unknown; use an IP address',
  EROFS: 'the file system is read-only; use a writable directory',
};

function listenError(name: string, error: NodeJS.ErrnoException): Error {
  const reason = LISTEN_ERRORS[error.code ?? ''] ?? `the system reports ${error.code ?? error.message}`;
  return new Error(`cannot listen on ${name}: ${reason}`, { cause: error });
}

async function removeStaleSocket(path: string): Promise<void> {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  if (entry === undefined) {
    return;
  }
  if (!entry.isSocket()) {
    throw new Error(`cannot listen on ${path}: the path exists and is not a socket; use another path`);
  }
  if (await isAlive(path)) {
    throw new Error(`cannot listen on ${path}: another process listens there; use another path`);
  }
  unlinkSync(path);
}

/**
 * Returns whether a process listens on the socket. The result is false only if the connection attempt fails with
 * ECONNREFUSED.
 */
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
