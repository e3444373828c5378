/**
 * Combines the listeners of a transport: a TCP address, a unix socket, or both.
 *
 * Invariant: `maxConnections` limits the connections of all listeners together.
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
      // Each listener limits only its own connections, so the total is checked here.
      onConnection: (socket) => (this.connections > maxConnections ? socket.destroy() : onConnection(socket)),
    };
  }

  get connections(): number {
    return this.#listeners.reduce((sum, listener) => sum + listener.connections, 0);
  }

  /**
   * Opens the listeners and returns the bound TCP port. If the promise rejects, the caller must close the listeners
   * that are open.
   */
  async listen(where: TransportOptions['listen']): Promise<number | undefined> {
    if (where.tcp === undefined && where.socketPath === undefined) {
      throw new Error('cannot serve gRPC: neither an address nor a socket path is set; set one of them');
    }
    const tcpPort = where.tcp === undefined ? undefined : await this.#add().listenTcp(where.tcp);
    if (where.socketPath !== undefined) {
      await this.#add().listenUnix(where.socketPath, where.socketMode);
    }
    return tcpPort;
  }

  /** Stops accepting connections. Open connections stay open. */
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

  /** Resolves once all connections are closed, or after `timeoutMs`. */
  async whenEmpty(timeoutMs: number): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.whenEmpty(timeoutMs)));
  }

  #add(): Listener {
    const listener = new Listener(this.#options);
    this.#listeners.push(listener);
    return listener;
  }
}
