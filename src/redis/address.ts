/**
 * Where Redis is and how to get in: seeds as URLs, and the credentials that every new connection asks for anew.
 */

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

export interface Seed extends NodeAddress {
  readonly isTls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Asked for every connection, so that a rotated password takes effect without a restart. */
export type CredentialsSource = () => Promise<Credentials>;

const DEFAULT_PORT = 6379;

/** `redis://[user[:password]@]host[:port]` or `rediss://...`. Throws with a text that does not repeat a password. */
export function parseSeed(text: string): Seed {
  if (!URL.canParse(text)) {
    throw new TypeError('Cannot read a Redis URL: it is no URL, wanted redis://HOST:PORT or rediss://HOST:PORT');
  }
  const url = new URL(text);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new TypeError(`Cannot read a Redis URL: its scheme is ${url.protocol}//, wanted redis:// or rediss://`);
  }
  if (url.hostname === '') {
    throw new TypeError('Cannot read a Redis URL: it names no host, wanted redis://HOST:PORT');
  }
  if (url.pathname !== '' && url.pathname !== '/' && url.pathname !== '/0') {
    throw new TypeError('Cannot read a Redis URL: it selects a database, wanted none (a Cluster has only 0)');
  }
  if (url.search !== '' || url.hash !== '') {
    throw new TypeError('Cannot read a Redis URL: it has a query or a fragment, wanted neither');
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    isTls: url.protocol === 'rediss:',
    username: url.username === '' ? undefined : unescaped(url.username),
    password: url.password === '' ? undefined : unescaped(url.password),
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    const found = 'its user or password holds a % that begins no escape';
    throw new TypeError(`Cannot read a Redis URL: ${found}, wanted %25 for a percent sign`);
  }
}

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
