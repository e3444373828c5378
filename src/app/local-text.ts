/**
 * Addresses as texts for a client on this machine.
 */

/** `HOST:PORT` that a client on this machine can use, where all interfaces are listened on too. */
export function localText(listenHost: string, port: number): string {
  const host = listenHost === '::' || listenHost === '0.0.0.0' ? '127.0.0.1' : listenHost;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
