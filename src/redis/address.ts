/**
 * Where Redis is and how to get in: addresses, and the credentials that every new connection asks for anew.
 */

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Asked for every connection, so that a rotated password takes effect without a restart. */
export type CredentialsSource = () => Promise<Credentials>;

/** `host:port`: names a node in maps, logs and metrics. */
export function addressText(address: NodeAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** The reverse of `addressText`, as MOVED and ASK write it (IPv6 without brackets too); an empty host is `fallbackHost`. */
export function parseAddressText(text: string, fallbackHost: string): NodeAddress {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' || host === '?' ? fallbackHost : host, port: Number(text.slice(colon + 1)) };
}
