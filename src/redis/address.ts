/**
 * Defines addresses of Redis servers and the credentials of connections.
 */

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/**
 * Returns the current credentials. Each connection calls this function, so a rotated password
 * takes effect without a restart.
 */
export type CredentialsSource = () => Promise<Credentials>;

/** Returns `host:port`, which names a node in maps, logs and metrics. */
export function addressText(address: NodeAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/**
 * Parses `host:port` in the form that MOVED and ASK use, in which IPv6 addresses may lack brackets. An empty host
 * becomes `fallbackHost`.
 */
export function parseAddressText(text: string, fallbackHost: string): NodeAddress {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' || host === '?' ? fallbackHost : host, port: Number(text.slice(colon + 1)) };
}
