/**
 * The settings: one table, a row each. The program's help, docs/reference/settings.md and the loader all come from it.
 *
 * A setting is an environment variable `PANNIER_<name>`. A row says what it is for, what it may be, what it is when unset, and why.
 */
import { REDIS_URL_FORMS, readRedisUrl } from '../lib/redis-url.ts';
import { ADDRESS_MAP_FORM, isHostName, parseAddressMap } from './address-map.ts';
import { NAME_PATTERN } from './policy-file.ts';

export type SettingKind =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly unit: string }
  | {
      readonly kind: 'text';
      readonly accepted: string;
      readonly accepts: (value: string) => boolean;
      /** Which part of a value is wrong, after the name of the setting, in words that may be shown even of a secret; absent: `accepted` says enough. */
      readonly problemOf?: (value: string) => string | undefined;
    }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

export interface SettingRow {
  /** Without the prefix. */
  readonly name: string;
  readonly kind: SettingKind;
  /** As it would be written in the environment; undefined: unset means that there is none. */
  readonly initial: string | undefined;
  readonly meaning: string;
  readonly why: string;
  /** Never shown, not even in error texts. */
  readonly isSecret?: boolean;
}

export const PREFIX = 'PANNIER_';

const path: SettingKind = {
  kind: 'text',
  accepted: 'a path',
  accepts: (value) => value.length > 0 && !value.includes('\0'),
};
const redisUrls: SettingKind = {
  kind: 'text',
  accepted: REDIS_URL_FORMS,
  accepts: (value) => redisUrlProblem(value) === undefined,
  problemOf: (value) => `: ${redisUrlProblem(value)}`,
};
const address: SettingKind = {
  kind: 'text',
  accepted: 'HOST:PORT, :PORT for all interfaces, or none',
  accepts: (value) => value === 'none' || parseAddress(value) !== undefined,
};
const milliseconds = (min: number, max: number): SettingKind => ({ kind: 'integer', min, max, unit: 'ms' });
const count = (min: number, max: number): SettingKind => ({ kind: 'integer', min, max, unit: '' });
const bytes = (min: number, max: number): SettingKind => ({ kind: 'integer', min, max, unit: 'bytes' });

/** What a timer holds. */
const MONTH_MS = 2_147_483_647;

export const SETTINGS = [
  {
    name: 'REDIS_URL',
    kind: redisUrls,
    initial: undefined,
    meaning: 'Seeds of the Redis that holds limits and sessions (and the cache, unless it has one of its own).',
    why: 'Unset: the memory of this one process, so that a first try needs nothing.',
    isSecret: true,
  },
  {
    name: 'CACHE_REDIS_URL',
    kind: redisUrls,
    initial: undefined,
    meaning: 'Seeds of the Redis that holds the cache.',
    why: 'Unset: the same as PANNIER_REDIS_URL, over connections of its own. A cache wants allkeys-lru, limits and sessions noeviction.',
    isSecret: true,
  },
  {
    name: 'REDIS_USERNAME',
    kind: { kind: 'text', accepted: 'a name', accepts: (value) => value.length > 0 },
    initial: undefined,
    meaning: 'ACL user of Redis.',
    why: 'Unset: the user of the URL, else the default user.',
  },
  {
    name: 'REDIS_PASSWORD_FILE',
    kind: path,
    initial: undefined,
    meaning: 'File that holds the password of Redis; read again for every connection.',
    why: 'A mounted Secret can be rotated without a restart, and a file does not show in the environment.',
  },
  {
    name: 'REDIS_SENTINEL_USERNAME',
    kind: { kind: 'text', accepted: 'a name', accepts: (value) => value.length > 0 },
    initial: undefined,
    meaning: 'ACL user of the Sentinels of a redis+sentinel:// URL.',
    why: 'Unset: their default user. The user and the password of the URL are for the servers alone.',
  },
  {
    name: 'REDIS_SENTINEL_PASSWORD_FILE',
    kind: path,
    initial: undefined,
    meaning: 'File that holds the password of the Sentinels; read again for every connection.',
    why: 'Unset: they have no password. Sentinels have a login of their own, and many have none.',
  },
  {
    name: 'REDIS_TLS_CA_FILE',
    kind: path,
    initial: undefined,
    meaning: 'Certificates (PEM) that a rediss:// server must be signed by; read again for every connection.',
    why: "Unset: Node's own list. A new CA needs no restart.",
  },
  {
    name: 'REDIS_TLS_CERT_FILE',
    kind: path,
    initial: undefined,
    meaning: 'Client certificate (PEM, with its chain) for rediss://; read again for every connection.',
    why: 'Unset: no client certificate. Set together with PANNIER_REDIS_TLS_KEY_FILE.',
  },
  {
    name: 'REDIS_TLS_KEY_FILE',
    kind: path,
    initial: undefined,
    meaning: 'Private key (PEM, without a passphrase) of the client certificate; read again for every connection.',
    why: 'Unset: no client certificate. Set together with PANNIER_REDIS_TLS_CERT_FILE.',
  },
  {
    name: 'REDIS_TLS_SERVER_NAME',
    kind: { kind: 'text', accepted: 'a host name (no IP address)', accepts: isHostName },
    initial: undefined,
    meaning: 'Name by which every rediss:// server is verified, and which is sent to it (SNI).',
    why: 'Unset: the host by which it is reached. A Cluster may announce IP addresses and have certificates for a name.',
  },
  {
    name: 'REDIS_ADDRESS_MAP',
    kind: {
      kind: 'text',
      accepted: ADDRESS_MAP_FORM,
      accepts: (value) => 'mappings' in parseAddressMap(value),
      problemOf: (value) => {
        const result = parseAddressMap(value);
        return 'problem' in result ? result.problem : undefined;
      },
    },
    initial: undefined,
    meaning: 'Where nodes are reached that announce other addresses.',
    why: 'Unset: nodes are reached as they announce themselves, which fails behind a NAT and where certificates have other names.',
  },
  {
    name: 'REDIS_FILES_OPTIONAL',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning: 'true: the password, TLS and subject key files may be missing or empty, which is as if they were not set.',
    why: 'A wrong path should be told at once; a mounted Secret holds what its owner put there.',
  },
  {
    name: 'REDIS_COMMAND_TIMEOUT_MS',
    kind: milliseconds(20, 60_000),
    initial: '250',
    meaning:
      'Time of a Redis command, plus 1 ms for each KiB that it moves; a connection that is silent for as long is dropped.',
    why: 'Far above a healthy round trip, and below what a caller notices: the failure mode answers within 300 ms.',
  },
  {
    name: 'REDIS_CONNECT_TIMEOUT_MS',
    kind: milliseconds(20, 60_000),
    initial: '500',
    meaning: 'Connecting and logging in together.',
    why: 'A half-open server accepts connections and never answers.',
  },
  {
    name: 'REDIS_CONNECTIONS_PER_MASTER',
    kind: count(1, 16),
    initial: '1',
    meaning: 'Connections per master and role.',
    why: 'One pipelined connection carries all; more keep large values from holding up small decisions.',
  },
  {
    name: 'GRPC_ADDRESS',
    kind: address,
    initial: '127.0.0.1:9470',
    meaning: 'Where the gRPC API listens; none where only a socket is wanted.',
    why: 'Loopback: the API has no authentication and is for this pod alone.',
  },
  {
    name: 'GRPC_SOCKET',
    kind: path,
    initial: undefined,
    meaning: 'Unix socket of the gRPC API, beside the address.',
    why: 'Costs less CPU than TCP; a volume shared with the app container carries it.',
  },
  {
    name: 'GRPC_SOCKET_MODE',
    kind: { kind: 'text', accepted: 'four octal digits, e.g. 0660', accepts: (value) => /^0[0-7]{3}$/.test(value) },
    initial: '0660',
    meaning: 'Permissions of that socket.',
    why: 'The owner and its group. In a pod the volume itself keeps others out, and containers run as different users: 0666 there.',
  },
  {
    name: 'GRPC_TRANSPORT',
    kind: { kind: 'choice', choices: ['http2', 'grpc-js'] },
    initial: 'http2',
    meaning: 'HTTP/2 server of the gRPC API: http2 is the built-in one, grpc-js the library @grpc/grpc-js.',
    why: 'Both pass the same tests; the built-in one costs a fraction of the CPU and memory (docs/internals/performance.md).',
  },
  {
    name: 'GRPC_MAX_CONNECTION_AGE_MS',
    kind: milliseconds(0, MONTH_MS),
    initial: '0',
    meaning: 'Age at which a connection is drained, so that its caller connects again; 0: never.',
    why: 'There is one server behind the address, so there is nothing to balance anew.',
  },
  {
    name: 'GRPC_MAX_CONNECTION_IDLE_MS',
    kind: milliseconds(0, MONTH_MS),
    initial: '1800000',
    meaning: 'Time without a call after which a connection is drained; 0: never.',
    why: 'Callers that were forgotten give their connection back, busy ones never notice.',
  },
  {
    name: 'ADMIN_ADDRESS',
    kind: address,
    initial: ':9471',
    meaning: 'Where /livez, /readyz and /metrics are served.',
    why: 'All interfaces: the kubelet and the scraper come from outside the pod.',
  },
  {
    name: 'POLICY_FILE',
    kind: path,
    initial: undefined,
    meaning: 'The policy file (docs/reference/policies.md); watched, reloaded whole or not at all.',
    why: 'Unset: no policies; limits can still be given in the call.',
  },
  {
    name: 'POLICY_FILE_OPTIONAL',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning: 'true: the policy file may be missing at start, and is taken when it comes.',
    why: 'A wrong path should be told at once; a ConfigMap that is made later should not need a restart.',
  },
  {
    name: 'KEY_PREFIX',
    kind: {
      kind: 'text',
      accepted: 'at most 64 printable characters without blanks and braces',
      accepts: (value) => /^[!-z|~]{0,64}$/.test(value),
    },
    initial: 'pannier:',
    meaning: 'Begins every key and channel in Redis.',
    why: 'Separates installations that share a Redis.',
  },
  {
    name: 'SCOPE',
    kind: { kind: 'text', accepted: '1 to 64 of [A-Za-z0-9._-]', accepts: (value) => NAME_PATTERN.test(value) },
    initial: 'default',
    meaning: 'Separates limits of the same policy name; the chart sets the namespace of the pod.',
    why: 'Two teams both call a policy `api`. A policy with `shared: true` is counted across scopes.',
  },
  {
    name: 'HASH_SUBJECTS',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning:
      'true: Redis holds the subjects of all limits (`key` of a check) by their hash, also of limits that are given in the call.',
    why: 'For subjects that are secrets, such as API keys. A policy can have it alone (`hash_subjects`). Switching starts new counts.',
  },
  {
    name: 'SUBJECT_KEY_FILE',
    kind: path,
    initial: undefined,
    meaning: 'File with the key of these hashes (HMAC-SHA-256), 16 bytes or more; read at start.',
    why: 'Unset: plain SHA-256, by which subjects that can be guessed can be found. All sidecars need the same key; another one starts new counts.',
  },
  {
    name: 'DEFAULT_DEADLINE_MS',
    kind: milliseconds(1, 600_000),
    initial: '1000',
    meaning: 'Deadline of a call whose caller sets none.',
    why: 'Nothing waits for ever.',
  },
  {
    name: 'DRAIN_TIMEOUT_MS',
    kind: milliseconds(0, 600_000),
    initial: '10000',
    meaning: 'After SIGTERM, how long calls under way may take.',
    why: "Well below a pod's 30 s.",
  },
  {
    name: 'LOG_LEVEL',
    kind: { kind: 'choice', choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] },
    initial: 'info',
    meaning: 'What is logged, as JSON lines on standard output; lines that nobody takes are dropped.',
    why: 'info tells of starts, ends and trouble, and nothing per call. A reader that hangs must not hold up calls.',
  },
  {
    name: 'MEMORY_STORE_MAX_ENTRIES',
    kind: count(1, 100_000_000),
    initial: '200000',
    meaning: 'Entries of each memory store (limits, sessions, cache), where there is no Redis.',
    why: 'Small entries reach the bound in bytes first, unless the heap is large.',
  },
  {
    name: 'MEMORY_STORE_MAX_BYTES',
    kind: bytes(1_000_000, 100_000_000_000),
    initial: undefined,
    meaning: 'Bytes of each memory store. All three can be full at once, and V8 needs as much again for itself.',
    why: 'Unset: an eighth of the heap of V8, at most 64 MiB. In a container of 192Mi that is 14.2 MB, enough for 34,000 subjects with one limit.',
  },
  {
    name: 'NEAR_CACHE_MAX_ENTRIES',
    kind: count(1, 100_000_000),
    initial: '10000',
    meaning: 'Entries of the near cache.',
    why: 'A sidecar runs thousands of times: its memory is a feature.',
  },
  {
    name: 'NEAR_CACHE_MAX_BYTES',
    kind: bytes(1_000_000, 100_000_000_000),
    initial: '16777216',
    meaning: 'Bytes of the near cache.',
    why: 'As above.',
  },
  {
    name: 'CACHE_MAX_VALUE_BYTES',
    kind: bytes(1, 3_145_728),
    initial: '1048576',
    meaning: 'Largest value of CacheSet.',
    why: 'A large value holds up what travels behind it; a message of gRPC holds 4 MiB.',
  },
] as const satisfies readonly SettingRow[];

/** Settings that had another name, without the prefix: their old names are refused with the new one. */
export const RENAMED_SETTINGS: ReadonlyMap<string, SettingName> = new Map([
  ['TRANSPORT', 'GRPC_TRANSPORT'],
  ['GRPC_CONNECTION_AGE_MS', 'GRPC_MAX_CONNECTION_AGE_MS'],
  ['GRPC_CONNECTION_IDLE_MS', 'GRPC_MAX_CONNECTION_IDLE_MS'],
  ['MEMORY_MAX_BYTES', 'MEMORY_STORE_MAX_BYTES'],
  ['MEMORY_MAX_ENTRIES', 'MEMORY_STORE_MAX_ENTRIES'],
  ['NEAR_MAX_BYTES', 'NEAR_CACHE_MAX_BYTES'],
  ['NEAR_MAX_ENTRIES', 'NEAR_CACHE_MAX_ENTRIES'],
  ['REDIS_CONNECTIONS', 'REDIS_CONNECTIONS_PER_MASTER'],
  ['REDIS_TIMEOUT_MS', 'REDIS_COMMAND_TIMEOUT_MS'],
]);

export type SettingName = (typeof SETTINGS)[number]['name'];

/** `HOST:PORT`, `[V6]:PORT` or `:PORT`; undefined when it is none. */
export function parseAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]*):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    return undefined;
  }
  const host = (match[1] ?? '').replace(/^\[|\]$/g, '');
  return { host: host === '' ? '::' : host, port };
}

function redisUrlProblem(text: string): string | undefined {
  const reading = readRedisUrl(text);
  return 'problem' in reading ? reading.problem : undefined;
}
