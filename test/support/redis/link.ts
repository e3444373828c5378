/**
 * A TCP link to a server that a test makes slow, half-open, cuts, or points somewhere else: a name, a virtual IP or a Service in front of it.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface RedisLink {
  readonly port: number;
  readonly url: string;
  /** Where new connections lead, which are closed at once if it is undefined; those that stand stay where they are, as behind a Service of Kubernetes. */
  target: number | undefined;
  /** Of all connections together, each way; infinite at first. */
  bytesPerSecond: number;
  /** What existing connections send either way is discarded from now on, without an error. New ones are served. */
  discardExisting(): void;
  /** Cuts all connections, and leads new ones to this target. */
  switchTo(target: number | undefined): void;
  /** Discards what existing connections send, and new connections are taken and never served. */
  discardAll(): void;
  /** Connections that were ever taken. */
  accepted(): number;
  close(): Promise<void>;
}

/** How much is forwarded at once on a slow link. */
const PIECE_BYTES = 8_192;

/** `ownPort`: where it listens; unset: anywhere. */
export async function startRedisLink(target: number | undefined, ownPort = 0): Promise<RedisLink> {
  const sockets = new Set<Socket>();
  const discarded = new Set<Socket>();
  let accepted = 0;
  let isServing = true;

  /** One way of all connections: one piece after the other, each as long as the link takes for it. */
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

    /** `freeAtMs`: when the link has done with the piece before. */
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
        // A timer that was late does not make the link slower.
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
