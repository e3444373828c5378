/**
 * Makes a Node server listen on a TCP address. The error of a failed attempt contains the address.
 */
import type { Server } from 'node:net';
import { systemCodeOf } from './system-code.ts';

/** Error codes that a machine without IPv6 returns for the address `::`. */
const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL'];

/**
 * Listens on a host and port. The host `::` stands for all IPv6 and IPv4 addresses, or for all IPv4 addresses on a
 * machine without IPv6.
 */
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
      reject(new Error(`cannot listen on ${name}: ${code}; use a free address`, { cause: error }));
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
