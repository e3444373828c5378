/**
 * Proxies TCP connections to a server. A test can slow the connections down, make them half-open, or close them. A test
 * can also change the target of new connections, as if a DNS name, a virtual IP or a Service now pointed to another
 * server.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface RedisLink {
  readonly port: number;
  readonly url: string;
  /**
   * Port to which new connections are forwarded. If undefined, new connections are closed at once. Existing connections
   * stay connected to their target, as behind a Kubernetes Service.
   */
  target: number | undefined;
  /** Total rate of all connections in each direction; infinite at first. */
  bytesPerSecond: number;
  /** Discards all data of existing connections from now on, without an error. New connections work. */
  discardExisting(): void;
  /** Closes all connections and sends new ones to this target. */
  switchTo(target: number | undefined): void;
  /** Discards all data of existing connections, and accepts new ones without serving them. */
  discardAll(): void;
  /** Returns the number of accepted connections. */
  accepted(): number;
  close(): Promise<void>;
}

/** Maximum number of bytes that a slow link forwards at once. */
const PIECE_BYTES = 8_192;

/** Starts a link. `ownPort` is the port on which the link listens, or 0 for any free port. */
export async function startRedisLink(target: number | undefined, ownPort = 0): Promise<RedisLink> {
  const sockets = new Set<Socket>();
  const discarded = new Set<Socket>();
  let accepted = 0;
  let isServing = true;

  /**
   * One direction of all connections. Chunks are forwarded one at a time, each after the time that the simulated link
   * needs to transfer it.
   */
  class Lane {
    readonly #pieces: { readonly bytes: Buffer; readonly to: Socket; readonly sent: () => void }[] = [];
    #isBusy = false;

    forward(bytes: Buffer, from: Socket, to: Socket): void {
      if (link.bytesPerSecond === Number.POSITIVE_INFINITY && !this.#isBusy) {
        to.write(bytes);
        return;
      }
      from.pause();
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        const isLast = start + PIECE_BYTES >= bytes.length;
        const sent = (): void => void (isLast && from.resume());
        this.#pieces.push({ bytes: bytes.subarray(start, start + PIECE_BYTES), to, sent });
      }
      this.#pump(performance.now());
    }

    /** Forwards the next chunk. `freeAtMs` is the time at which the link finished forwarding the previous chunk. */
    #pump(freeAtMs: number): void {
      const piece = this.#pieces[0];
      if (this.#isBusy || piece === undefined) {
        return;
      }
      this.#isBusy = true;
      const doneAtMs = freeAtMs + (piece.bytes.length / link.bytesPerSecond) * 1_000;
      const finish = (): void => {
        this.#pieces.shift();
        piece.to.write(piece.bytes);
        piece.sent();
        this.#isBusy = false;
        // A late timer must not make the simulated link slower.
        this.#pump(doneAtMs);
      };
      const waitMs = doneAtMs - performance.now();
      if (waitMs > 1) {
        setTimeout(finish, waitMs);
      } else {
        setImmediate(finish);
      }
    }
  }

  const toServer = new Lane();
  const toClient = new Lane();
  const server = createServer((client) => {
    accepted += 1;
    if (link.target === undefined) {
      client.on('error', () => undefined);
      client.destroy();
      return;
    }
    const upstream = connect(link.target, '127.0.0.1');
    for (const [from, to, lane] of [
      [client, upstream, toServer],
      [upstream, client, toClient],
    ] as const) {
      sockets.add(from);
      if (!isServing) {
        discarded.add(from);
      }
      from.setNoDelay(true);
      from.on('error', () => undefined);
      from.on('data', (bytes) => {
        if (!discarded.has(from)) {
          lane.forward(bytes, from, to);
        }
      });
      from.on('close', () => {
        sockets.delete(from);
        if (!discarded.has(from)) {
          to.destroy();
        }
      });
    }
  }).listen(ownPort, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  function discardExisting(): void {
    for (const socket of sockets) {
      discarded.add(socket);
    }
  }
  function cut(): void {
    for (const socket of sockets) {
      socket.destroy();
    }
  }
  const link: RedisLink = {
    port,
    url: `redis://127.0.0.1:${port}`,
    target,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    discardExisting,
    switchTo: (next) => {
      link.target = next;
      cut();
    },
    discardAll: () => {
      isServing = false;
      discardExisting();
    },
    accepted: () => accepted,
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
  return link;
}
