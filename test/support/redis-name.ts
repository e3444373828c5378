/**
 * A name, or a virtual IP, that leads to one server and can be moved to another: a TCP proxy. Connections that stand stay where they are.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface RedisName {
  readonly url: string;
  /** New connections lead there from now on. */
  moveTo(port: number): void;
  close(): Promise<void>;
}

export async function startRedisName(firstPort: number): Promise<RedisName> {
  const sockets = new Set<Socket>();
  let port = firstPort;
  const server = createServer((inner) => {
    const outer = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `redis://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    moveTo: (next) => {
      port = next;
    },
    close: async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}
