/**
 * Routes the cluster bus of test nodes through proxies, so that a node can be partitioned from the others while clients
 * still reach it.
 *
 * Each node announces the port of its proxy as its bus port, so other nodes connect to the proxy. The node itself
 * connects from a separate loopback address (`bind-source-addr`, since Redis 7.0), so the proxies can identify it.
 * During a partition, the proxies close and refuse every bus connection from or to the node.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface RedisBus {
  /** Returns the command-line arguments of the node with this index. */
  argsOf(index: number): string[];
  /** Sets the port on which the node listens for clients. The port of the node's cluster bus is higher by 10,000. */
  lead(index: number, port: number): void;
  /** Returns the bus port that the node announces. */
  portOf(index: number): number;
  /** Partitions the node from the other nodes in both directions. */
  isolate(index: number): void;
  close(): Promise<void>;
}

interface Link {
  readonly socket: Socket;
  readonly ends: readonly [number, number];
}

const BUS_OFFSET = 10_000;

export async function startRedisBus(nodeCount: number): Promise<RedisBus> {
  const targets = new Map<number, number>();
  const links = new Set<Link>();
  let isolated: number | undefined;

  function take(index: number, dialling: Socket): void {
    const ends = [indexOf(dialling.remoteAddress), index] as const;
    const port = targets.get(index);
    dialling.on('error', () => undefined);
    if (port === undefined || (isolated !== undefined && ends.includes(isolated))) {
      dialling.destroy();
      return;
    }
    const dialled = connect(port + BUS_OFFSET, '127.0.0.1');
    for (const [socket, other] of [
      [dialling, dialled],
      [dialled, dialling],
    ] as const) {
      const link: Link = { socket, ends };
      links.add(link);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        links.delete(link);
        other.destroy();
      });
      socket.pipe(other);
    }
  }

  const servers = await Promise.all(
    Array.from({ length: nodeCount }, (_, index) => listen((socket) => take(index, socket))),
  );
  const portOf = (index: number): number => {
    const address = servers[index]?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  const cut = (isCut: (link: Link) => boolean) => {
    for (const link of [...links].filter(isCut)) {
      link.socket.destroy();
    }
  };
  return {
    argsOf: (index) => [
      // Replicas connect to their masters from that address too, and protected mode would refuse these connections. The
      // servers still listen only on 127.0.0.1.
      ...['--bind-source-addr', addressOf(index), '--protected-mode', 'no'],
      ...['--cluster-announce-ip', '127.0.0.1', '--cluster-announce-bus-port', String(portOf(index))],
    ],
    lead: (index, port) => void targets.set(index, port),
    portOf,
    isolate: (index) => {
      isolated = index;
      cut(({ ends }) => ends.includes(index));
    },
    close: async () => {
      cut(() => true);
      for (const server of servers) {
        server.close();
        await once(server, 'close');
      }
    },
  };
}

async function listen(onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onSocket).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Returns 127.0.0.11 or a higher address, from which no other process connects. */
function addressOf(index: number): string {
  return `127.0.0.${11 + index}`;
}

function indexOf(address: string | undefined): number {
  return Number(address?.split('.').at(-1)) - 11;
}
