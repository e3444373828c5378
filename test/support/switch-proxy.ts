/**
 * An address whose server can be exchanged: a proxy that leads to one port, to another one after a switch, or hangs up.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface SwitchProxy {
  readonly port: number;
  /** Connections that were ever accepted. */
  accepted(): number;
  /** Cuts all connections; new ones lead to this port, or are closed at once where it is undefined. */
  switchTo(port: number | undefined): void;
  close(): Promise<void>;
}

/** `ownPort`: where it listens; unset: anywhere. */
export async function startSwitchProxy(port: number | undefined, ownPort = 0): Promise<SwitchProxy> {
  const sockets = new Set<Socket>();
  let target = port;
  let accepted = 0;

  function cut(): void {
    for (const socket of sockets) {
      socket.destroy();
    }
  }

  const server = createServer((client) => {
    accepted += 1;
    if (target === undefined) {
      client.on('error', () => undefined);
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }).listen(ownPort, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    accepted: () => accepted,
    switchTo: (next) => {
      target = next;
      cut();
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
