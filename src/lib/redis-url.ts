/**
 * Parses Redis URLs: one or more URLs of servers, or the URL of Sentinels that monitor the master.
 *
 * Invariants:
 *   1. A problem states the invalid part and the accepted values.
 *   2. A problem never contains the user, the password, or text that may be a part of either. A problem quotes only
 *      digits that are not followed by `@`, and the first scheme if the scheme consists of letters and `+`.
 *   3. The hosts of Sentinels are distinct, because each Sentinel has one vote.
 */
import { isIPv6 } from 'node:net';

interface RedisHost {
  readonly host: string;
  readonly port: number;
}

export interface RedisTarget {
  readonly isTls: boolean;
  /** Servers, or Sentinels if `masterName` is set. */
  readonly hosts: readonly RedisHost[];
  /** Name under which the Sentinels monitor the master. */
  readonly masterName: string | undefined;
  /** User for the servers; Sentinels have a separate login. */
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export type RedisUrlReading = { readonly target: RedisTarget } | { readonly problem: string };

export const REDIS_URL_FORMS =
  'redis://HOST:PORT or rediss://HOST:PORT (several of one scheme separated by commas, without a database number), or redis+sentinel://HOST:PORT,HOST:PORT/NAME or rediss+sentinel:// for Sentinels';

const SERVER_PORT = 6_379;
const SENTINEL_PORT = 26_379;
const MAX_SENTINELS = 32;
const MASTER_NAME = /^[A-Za-z0-9._-]{1,128}$/;
const HOST_NAME = /^[A-Za-z0-9._-]{1,255}$/;
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]{0,31}):\/\//;
const SCHEMES = 'redis://, rediss://, redis+sentinel:// or rediss+sentinel://';

/** Parses the value of a setting. */
export function readRedisUrl(text: string): RedisUrlReading {
  try {
    const trimmed = text.trim();
    const isSentinel = /^rediss?\+sentinel:\/\//i.test(trimmed);
    return { target: isSentinel ? readSentinelUrl(trimmed) : readServerUrls(trimmed) };
  } catch (error) {
    if (error instanceof UrlProblem) {
      return { problem: error.message };
    }
    throw error;
  }
}

/** Parses the value of a setting, and throws an error if the value is invalid. */
export function parseRedisUrl(text: string): RedisTarget {
  const reading = readRedisUrl(text);
  if ('problem' in reading) {
    throw new TypeError(`cannot read a Redis URL: ${reading.problem}`);
  }
  return reading.target;
}

class UrlProblem extends Error {}

/** Parts of a URL, of which only `scheme` has been validated. */
interface UrlParts {
  readonly scheme: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** `HOST:PORT`, or for Sentinels several such addresses separated by commas. */
  readonly hosts: string;
  /** Path without its leading slash. */
  readonly path: string;
}

function readServerUrls(text: string): RedisTarget {
  const urls = text.split(',').map((url) => url.trim());
  const schemes = urls.map((url, index) => readScheme(url, nth('scheme', index, urls.length)));
  if (new Set(schemes).size > 1) {
    throw new UrlProblem('the scheme must be the same in all URLs, redis:// or rediss://');
  }
  const parts = urls.map((url) => splitUrl(url, text));
  const hosts = parts.map((part, index) => {
    checkDatabase(part.path, text);
    return readHost(part.hosts, { index, count: urls.length, defaultPort: SERVER_PORT, text });
  });
  const login = parts.find((part) => part.password !== undefined) ?? parts[0];
  return {
    isTls: schemes[0] === 'rediss',
    hosts,
    masterName: undefined,
    username: login?.username,
    password: login?.password,
  };
}

function readSentinelUrl(text: string): RedisTarget {
  const { scheme, username, password, hosts: list, path } = splitUrl(text, text);
  if (path.includes('://')) {
    throw new UrlProblem('the Sentinels must be in one URL, redis+sentinel://HOST:26379,HOST:26379/NAME');
  }
  const texts = list.split(',').map((host) => host.trim());
  const hosts = texts.map((host, index) =>
    readHost(host, { index, count: texts.length, defaultPort: SENTINEL_PORT, text }),
  );
  if (hosts.length > MAX_SENTINELS) {
    throw new UrlProblem(`the number of Sentinels must be at most ${MAX_SENTINELS}, got ${hosts.length}`);
  }
  const names = hosts.map(({ host, port }) => `${host.toLowerCase()}:${port}`);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice !== -1) {
    throw new UrlProblem(
      `the Sentinels must be distinct: hosts ${names.indexOf(names[twice] ?? '') + 1} and ${twice + 1} are the same`,
    );
  }
  if (!MASTER_NAME.test(path)) {
    throw new UrlProblem(
      `the master name must be 1 to 128 characters of [A-Za-z0-9._-] behind the hosts, as in redis+sentinel://HOST:26379/NAME${path === '' ? ', got nothing' : ''}`,
    );
  }
  return { isTls: scheme.startsWith('rediss'), hosts, masterName: path, username, password };
}

function readScheme(url: string, part: string): string {
  const scheme = SCHEME.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'redis' || scheme === 'rediss') {
    return scheme;
  }
  if (scheme === 'redis+sentinel' || scheme === 'rediss+sentinel') {
    throw new UrlProblem(`${part} must be redis:// or rediss:// like that of the first URL, got ${scheme}://`);
  }
  const comma = part === 'the scheme' ? '' : ' (write a comma in a password as %2C)';
  // Any other text, and any text after a comma, may be a part of a password.
  const isShown = scheme !== undefined && /^[a-z+]+$/.test(scheme) && (part === 'the scheme' || part === 'scheme 1');
  const found = isShown ? `, got ${scheme}://` : '';
  throw new UrlProblem(`${part} must be ${SCHEMES}${comma}${found}`);
}

/**
 * Splits one of the URLs in `text`, the value of the setting. If a password contains a raw `/`, `?` or `#`, the rest of
 * the login is in `tail`.
 */
function splitUrl(url: string, text: string): UrlParts {
  const scheme = SCHEME.exec(url)?.[1] ?? '';
  const rest = url.slice(scheme.length + '://'.length);
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? '';
  const tail = rest.slice(authority.length);
  if (tail.includes('@')) {
    throw new UrlProblem('the user and the password must be percent-encoded: write / as %2F, ? as %3F and # as %23');
  }
  if (tail.includes('?')) {
    throw new UrlProblem(`the query must be absent: nothing may follow a ?${hintOf(text)}`);
  }
  if (tail.includes('#')) {
    throw new UrlProblem(`the fragment must be absent: nothing may follow a #${hintOf(text)}`);
  }
  const at = authority.lastIndexOf('@');
  const login = at === -1 ? '' : authority.slice(0, at);
  const colon = login.indexOf(':');
  return {
    scheme: scheme.toLowerCase(),
    username: unescaped(colon === -1 ? login : login.slice(0, colon)),
    password: unescaped(colon === -1 ? '' : login.slice(colon + 1)),
    hosts: authority.slice(at + 1),
    path: tail.replace(/^\//, ''),
  };
}

/**
 * Returns a hint if the value may contain a password, because the `?` or `#` may be a part of this password. If the
 * password contains a comma, the parts of the password appear in different URLs.
 */
function hintOf(text: string): string {
  return text.includes('@') ? ' (in a password write them as %3F and %23)' : '';
}

/** Decodes percent-encoding. Returns undefined for an empty text. */
function unescaped(text: string): string | undefined {
  try {
    return text === '' ? undefined : decodeURIComponent(text);
  } catch {
    throw new UrlProblem('the user and the password must be percent-encoded: write % as %25');
  }
}

interface HostPlace {
  readonly index: number;
  readonly count: number;
  readonly defaultPort: number;
  readonly text: string;
}

function readHost(piece: string, { index, count, defaultPort, text }: HostPlace): RedisHost {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(piece);
  const [, bracketed, plain = '', portText] = match ?? [];
  const isHost = bracketed === undefined ? HOST_NAME.test(plain) : isIPv6(bracketed);
  if (match === null || !isHost) {
    const isEmpty = piece === '' || (match !== null && bracketed === undefined && plain === '');
    const found = isEmpty ? ', got nothing' : '';
    throw new UrlProblem(
      `${nth('host', index, count)} must be a host name, an IPv4 address or an IPv6 address in brackets${found}`,
    );
  }
  const port = portText === undefined ? defaultPort : Number(/^\d{1,9}$/.exec(portText)?.[0] ?? Number.NaN);
  if (!(port >= 1 && port <= 65_535)) {
    throw new UrlProblem(`${nth('port', index, count)} must be a number from 1 to 65535${digitsOf(portText, text)}`);
  }
  return { host: bracketed ?? plain, port };
}

function checkDatabase(path: string, text: string): void {
  if (path !== '' && path !== '0') {
    throw new UrlProblem(
      `the database number must be 0 or absent (a Cluster has only database 0)${digitsOf(path, text)}`,
    );
  }
}

/**
 * Quotes the piece if the piece consists of digits and no `@` follows it. Any other piece may belong to a password that
 * is not percent-encoded.
 */
function digitsOf(piece: string | undefined, text: string): string {
  const isShown = piece !== undefined && /^\d{1,9}$/.test(piece) && text.lastIndexOf(piece) > text.lastIndexOf('@');
  return isShown ? `, got ${piece}` : '';
}

function nth(part: string, index: number, count: number): string {
  return count === 1 ? `the ${part}` : `${part} ${index + 1}`;
}
