/**
 * Formats listen addresses for clients on this machine.
 */

/**
 * Returns `HOST:PORT` for a client on this machine. If the listener uses all interfaces, the host is the loopback
 * address.
 */
export function localText(listenHost: string, port: number): string {
  const host = listenHost === '::' || listenHost === '0.0.0.0' ? '127.0.0.1' : listenHost;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
