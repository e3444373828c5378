/**
 * Detects that the host name of the only seed resolves to another server.
 *
 * Invariants:
 *   1. The watch resolves the name every 5 s with jitter, one lookup at a time. After a failed lookup, all connections
 *      stay open.
 *   2. A connection stores the addresses to which the host name resolved when the connection was opened. The watch
 *      drops the connection once the name resolves to none of these addresses.
 */
import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { OpenConnection } from './options.ts';

const CHECK_MS = 5_000;

export interface NameWatchOptions {
  readonly host: string;
  readonly lookup: LookupFunction | undefined;
  readonly isActive: () => boolean;
  /** Called just before connections are dropped. */
  readonly onMoved: (addresses: readonly string[]) => void;
}

export class NameWatch {
  readonly #options: NameWatchOptions;
  readonly #connections = new Set<OpenConnection>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: NameWatchOptions) {
    this.#options = options;
    if (isIP(options.host) === 0) {
      this.#checkLater();
    }
  }

  /** Adds a connection. Returns a function that must be called when the connection has ended. */
  add(connection: OpenConnection): () => void {
    this.#connections.add(connection);
    return () => void this.#connections.delete(connection);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #checkLater(): void {
    if (!this.#isClosed) {
      this.#timer = setTimeout(() => void this.#check(), CHECK_MS * (0.75 + Math.random() / 4));
      this.#timer.unref();
    }
  }

  async #check(): Promise<void> {
    const addresses = this.#options.isActive() && this.#connections.size > 0 ? await this.#resolve() : [];
    const moved = [...this.#connections].filter(
      ({ resolvedTo }) => resolvedTo.length > 0 && !resolvedTo.some((address) => addresses.includes(address)),
    );
    if (addresses.length > 0 && moved.length > 0 && !this.#isClosed) {
      this.#options.onMoved(addresses);
      for (const connection of moved) {
        connection.drop('name moved');
      }
    }
    this.#checkLater();
  }

  /** Resolves the name to its IP addresses. Returns an empty list if the lookup fails. */
  #resolve(): Promise<readonly string[]> {
    const lookup = this.#options.lookup ?? (dns.lookup as LookupFunction);
    return new Promise((resolve) => {
      lookup(this.#options.host, { all: true }, (error, found) => {
        const all = Array.isArray(found) ? found.map(({ address }) => address) : [found];
        resolve(error === null || error === undefined ? all : []);
      });
    });
  }
}
