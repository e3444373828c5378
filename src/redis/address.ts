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
 * Returns the current credentials. Every attempt to connect calls this function, so a rotated password takes effect
 * without a restart.
 */
export type CredentialsSource = () => Promise<Credentials>;

/** Returns the address as `host:port`. Maps, logs and metrics use this text as the name of a node. */
export function addressText(address: NodeAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/**
 * Parses the `host:port` of a MOVED or ASK reply, in which an IPv6 host may lack brackets. If the host is empty or `?`,
 * the result has the host `fallbackHost`.
 */
export function parseAddressText(text: string, fallbackHost: string): NodeAddress {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' || host === '?' ? fallbackHost : host, port: Number(text.slice(colon + 1)) };
}
