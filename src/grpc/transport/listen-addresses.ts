/**
 * All that one transport listens on: a TCP address, a unix socket, or both, as one thing.
 */
import type { Socket } from 'node:net';
import { Listener } from './listener.ts';
import type { TransportOptions } from './transport.ts';

export class Listeners {
  readonly #options: { maxConnections: number; onConnection: (socket: Socket) => void };
  readonly #listeners: Listener[] = [];

  constructor(options: { maxConnections: number; onConnection: (socket: Socket) => void }) {
    const { maxConnections, onConnection } = options;
    this.#options = {
      maxConnections,
      // Each listener has the bound for itself; here it is that of all.
      onConnection: (socket) => (this.connections > maxConnections ? socket.destroy() : onConnection(socket)),
    };
  }

  get connections(): number {
    return this.#listeners.reduce((sum, listener) => sum + listener.connections, 0);
  }

  /** Returns the TCP port that was bound. Rejects with what is wrong; what was opened before stays for the caller to close. */
  async listen(where: TransportOptions['listen']): Promise<number | undefined> {
    if (where.tcp === undefined && where.socketPath === undefined) {
      throw new Error('cannot serve gRPC: neither an address nor a socket path is set, wanted one of them');
    }
    const tcpPort = where.tcp === undefined ? undefined : await this.#add().listenTcp(where.tcp);
    if (where.socketPath !== undefined) {
      await this.#add().listenUnix(where.socketPath, where.socketMode);
    }
    return tcpPort;
  }

  /** Takes no more connections; those that are there stay. */
  stopListening(): void {
    for (const listener of this.#listeners) {
      listener.stopListening();
    }
  }

  destroyConnections(): void {
    for (const listener of this.#listeners) {
      listener.destroyConnections();
    }
  }

  /** Resolves once there is no connection, or after `timeoutMs`. */
  async whenEmpty(timeoutMs: number): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.whenEmpty(timeoutMs)));
  }

  #add(): Listener {
    const listener = new Listener(this.#options);
    this.#listeners.push(listener);
    return listener;
  }
}
