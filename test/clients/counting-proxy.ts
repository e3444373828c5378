/**
 * A TCP proxy that counts the connections which it was opened: how a test knows that a client connected anew.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface CountingProxy {
  /** host:port where it listens. */
  readonly address: string;
  /** How many were opened so far. */
  connections(): number;
  close(): void;
}

export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const [host = '', port = ''] = target.split(':');
  const sockets = new Set<Socket>();
  let connections = 0;

  function track(socket: Socket, other: Socket): void {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.pipe(other);
    socket.on('error', () => other.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      other.end();
    });
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    connections += 1;
    const upstream = connect({ host, port: Number(port), allowHalfOpen: true });
    track(client, upstream);
    track(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') {
    throw new Error(`cannot start a proxy: its address is ${bound}, wanted a port`);
  }
  return {
    address: `127.0.0.1:${bound.port}`,
    connections: () => connections,
    close: () => {
      server.close();
      for (const socket of sockets) {
        socket.destroy();
      }
    },
  };
}
