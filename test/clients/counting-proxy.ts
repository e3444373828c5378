/**
 * Runs a TCP proxy that counts its connections, so that a test can detect a reconnect.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface CountingProxy {
  /** Address `host:port` on which the proxy listens. */
  readonly address: string;
  /** Returns the number of connections that clients have opened so far. */
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
    throw new Error(`address of the proxy must have a port, got ${bound}`);
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
