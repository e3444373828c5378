/**
 * Lets a server of Node listen on a TCP address, and says which one where that cannot be had.
 */
import type { Server } from 'node:net';
import { systemCodeOf } from './system-code.ts';

/** A machine without IPv6 has no `::`. */
const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL'];

/** `::` is every address of the machine, of IPv4 too, and of IPv4 alone where there is no other. Rejects with a text for an operator. */
export function listenOn(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    function refuse(error: Error): void {
      server.removeListener('listening', accept);
      const code = systemCodeOf(error);
      if (host === '::' && code !== undefined && NO_IPV6.includes(code)) {
        listenOn(server, { host: '0.0.0.0', port }).then(resolve, reject);
        return;
      }
      const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      reject(new Error(`cannot listen on ${name}: ${code}, wanted a free address`, { cause: error }));
    }
    function accept(): void {
      server.removeListener('error', refuse);
      resolve();
    }
    server.once('error', refuse);
    server.once('listening', accept);
    server.listen(port, host);
  });
}
