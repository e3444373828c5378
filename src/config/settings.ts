/**
 * Defines the settings in one table, from which `pannier serve --help`, docs/reference/settings.md and the loader
 * (load.ts) are derived.
 *
 * A setting is an environment variable `PANNIER_<name>`. A row describes what the setting does, which values it
 * accepts, its default, and the reason for that default.
 */
import { REDIS_URL_FORMS, readRedisUrl } from '../lib/redis-url.ts';
import { ADDRESS_MAP_FORM, isHostName, parseAddressMap } from './address-map.ts';
import { NAME_FORM, NAME_PATTERN } from './policy-file.ts';

export type SettingKind =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly unit: string }
  | {
      readonly kind: 'text';
      /** Completes "must be …". */
      readonly accepted: string;
      readonly accepts: (value: string) => boolean;
      /**
       * Returns an error text that follows the name of the setting and identifies the invalid part of the value. It
       * never reveals a secret. If it is absent, the error text consists of `accepted`.
       */
      readonly problemOf?: (value: string) => string | undefined;
    }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

export interface SettingRow {
  /** Name of the variable without the prefix `PANNIER_`. */
  readonly name: string;
  readonly kind: SettingKind;
  /** Default, as it would be written in the environment; undefined if the setting has no default. */
  readonly initial: string | undefined;
  readonly meaning: string;
  readonly why: string;
  /** Whether the value may contain a password. Error texts never show such a value. */
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

/** Longest delay of a Node timer: 2^31 - 1 ms, almost 25 days. */
const MAX_TIMER_MS = 2_147_483_647;

export const SETTINGS = [
  {
    name: 'REDIS_URL',
    kind: redisUrls,
    initial: undefined,
    meaning:
      'URL of the Redis that stores limits, sessions and, unless PANNIER_CACHE_REDIS_URL is set, the cache. A few nodes of a Cluster are enough.',
    why: 'If it is unset, this process keeps everything in its own memory, so that you can try Pannier without Redis.',
    isSecret: true,
  },
  {
    name: 'CACHE_REDIS_URL',
    kind: redisUrls,
    initial: undefined,
    meaning: 'URL of a separate Redis for the cache. If it is unset, the cache uses PANNIER_REDIS_URL.',
    why: 'A cache works best with the eviction policy allkeys-lru, but limits and sessions need noeviction. The cache always has its own connections.',
    isSecret: true,
  },
  {
    name: 'REDIS_USERNAME',
    kind: { kind: 'text', accepted: 'a user name', accepts: (value) => value.length > 0 },
    initial: undefined,
    meaning: 'ACL user for Redis.',
    why: 'If it is unset, the sidecar uses the user in the URL, or the default user if the URL has none.',
  },
  {
    name: 'REDIS_PASSWORD_FILE',
    kind: path,
    initial: undefined,
    meaning: 'File that holds the Redis password. The sidecar reads it again for every new connection.',
    why: 'A mounted Secret can be rotated without a restart, and a file does not show up in the environment.',
  },
  {
    name: 'REDIS_SENTINEL_USERNAME',
    kind: { kind: 'text', accepted: 'a user name', accepts: (value) => value.length > 0 },
    initial: undefined,
    meaning: 'ACL user for the Sentinels of a redis+sentinel:// URL.',
    why: 'If it is unset, the sidecar uses their default user. The user and the password in the URL are only for the Redis servers.',
  },
  {
    name: 'REDIS_SENTINEL_PASSWORD_FILE',
    kind: path,
    initial: undefined,
    meaning: 'File that holds the password of the Sentinels. The sidecar reads it again for every new connection.',
    why: 'If it is unset, the sidecar sends the Sentinels no password. Sentinels have their own login, and many have none.',
  },
  {
    name: 'REDIS_TLS_CA_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'CA certificates (PEM) that verify rediss:// servers. The sidecar reads the file again for every new connection.',
    why: "If it is unset, the sidecar uses Node's built-in list. A new CA needs no restart.",
  },
  {
    name: 'REDIS_TLS_CERT_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'Client certificate with its chain (PEM) for rediss://. The sidecar reads it again for every new connection.',
    why: 'If it is unset, the sidecar sends no client certificate. It must be set together with PANNIER_REDIS_TLS_KEY_FILE.',
  },
  {
    name: 'REDIS_TLS_KEY_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'Private key (PEM, without a passphrase) of the client certificate. The sidecar reads it again for every new connection.',
    why: 'If it is unset, the sidecar sends no client certificate. It must be set together with PANNIER_REDIS_TLS_CERT_FILE.',
  },
  {
    name: 'REDIS_TLS_SERVER_NAME',
    kind: { kind: 'text', accepted: 'a host name (not an IP address)', accepts: isHostName },
    initial: undefined,
    meaning: 'Name that the certificate of every rediss:// server must have. The sidecar also sends it as SNI.',
    why: 'If it is unset, the certificate must match the host that the sidecar connects to. Set it if a Cluster announces IP addresses but its certificates hold a name.',
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
    meaning: 'Addresses at which the sidecar reaches nodes that announce an unreachable address.',
    why: 'If it is unset, the sidecar connects to the addresses that nodes announce. That fails behind a NAT and where certificates hold other names.',
  },
  {
    name: 'REDIS_FILES_OPTIONAL',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning:
      'If true, a password, TLS or subject key file that is missing or empty counts as unset. If false, it is an error.',
    why: 'With the default, a wrong path is an error at start. The injector sets true, because a mounted Secret holds only the files that its owner chose.',
  },
  {
    name: 'REDIS_COMMAND_TIMEOUT_MS',
    kind: milliseconds(20, 60_000),
    initial: '250',
    meaning:
      'Timeout of a Redis command, plus 1 ms for each KiB that it transfers. The sidecar drops a connection that is silent for as long.',
    why: 'The default is far above a healthy round trip, and still lets the failure mode answer within 300 ms.',
  },
  {
    name: 'REDIS_CONNECT_TIMEOUT_MS',
    kind: milliseconds(20, 60_000),
    initial: '500',
    meaning: 'Timeout for connecting and authenticating together.',
    why: 'Without a timeout, a half-open server that accepts connections but never replies would block the sidecar.',
  },
  {
    name: 'REDIS_CONNECTIONS_PER_MASTER',
    kind: count(1, 16),
    initial: '1',
    meaning: 'Connections per master and role (state and cache).',
    why: 'One pipelined connection carries all commands. More connections keep large values from delaying small decisions.',
  },
  {
    name: 'GRPC_ADDRESS',
    kind: address,
    initial: '127.0.0.1:9470',
    meaning: 'Listen address of the gRPC API. Use none to serve only the Unix socket.',
    why: 'The API has no authentication, so by default it listens on loopback, which only this pod can reach.',
  },
  {
    name: 'GRPC_SOCKET',
    kind: path,
    initial: undefined,
    meaning: 'Path of a Unix socket that serves the gRPC API in addition to the address.',
    why: 'A Unix socket costs less CPU than TCP. A volume that both containers mount makes it visible to the application.',
  },
  {
    name: 'GRPC_SOCKET_MODE',
    kind: { kind: 'text', accepted: 'four octal digits such as 0660', accepts: (value) => /^0[0-7]{3}$/.test(value) },
    initial: '0660',
    meaning: 'File mode of the Unix socket.',
    why: 'The default admits the owner and its group. Use 0666 in a pod whose containers run as different users: the volume already keeps others out.',
  },
  {
    name: 'GRPC_TRANSPORT',
    kind: { kind: 'choice', choices: ['http2', 'grpc-js'] },
    initial: 'http2',
    meaning: 'HTTP/2 server of the gRPC API: http2 is the built-in one, grpc-js is the library @grpc/grpc-js.',
    why: 'Both pass the same tests. The built-in one needs a fraction of the CPU and memory (docs/internals/performance.md).',
  },
  {
    name: 'GRPC_MAX_CONNECTION_AGE_MS',
    kind: milliseconds(0, MAX_TIMER_MS),
    initial: '0',
    meaning: 'Age at which the sidecar drains a connection, so that the caller reconnects. 0 means never.',
    why: 'Only one server is behind the address, so there is no load to rebalance.',
  },
  {
    name: 'GRPC_MAX_CONNECTION_IDLE_MS',
    kind: milliseconds(0, MAX_TIMER_MS),
    initial: '1800000',
    meaning: 'Idle timeout: time without a call after which the sidecar drains a connection. 0 means never.',
    why: 'The sidecar frees the connections of abandoned clients, and busy clients are not affected.',
  },
  {
    name: 'ADMIN_ADDRESS',
    kind: address,
    initial: ':9471',
    meaning: 'Listen address of /livez, /readyz and /metrics.',
    why: 'The default listens on all interfaces, because the kubelet and Prometheus connect from outside the pod.',
  },
  {
    name: 'POLICY_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'Path to the policy file (docs/reference/policies.md). The sidecar watches the file and reloads it as a whole or not at all.',
    why: 'If it is unset, there are no policies. Calls can still carry their own limits.',
  },
  {
    name: 'POLICY_FILE_OPTIONAL',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning: 'If true, the policy file may be missing at start, and the sidecar loads it once it exists.',
    why: 'With the default, a wrong path is an error at start. With true, a ConfigMap that is created later needs no restart.',
  },
  {
    name: 'KEY_PREFIX',
    kind: {
      kind: 'text',
      accepted: 'at most 64 printable ASCII characters without spaces and braces',
      accepts: (value) => /^[!-z|~]{0,64}$/.test(value),
    },
    initial: 'pannier:',
    meaning: 'Prefix of every key and channel in Redis.',
    why: 'It separates installations that share one Redis.',
  },
  {
    name: 'SCOPE',
    kind: { kind: 'text', accepted: NAME_FORM, accepts: (value) => NAME_PATTERN.test(value) },
    initial: 'default',
    meaning:
      'Scope of the limits: a policy is counted separately in each scope. In an injected pod the default is the namespace of the pod.',
    why: 'Two teams may both call a policy `api`. A policy with `shared: true` is counted across all scopes.',
  },
  {
    name: 'HASH_SUBJECTS',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning:
      'If true, Redis stores a hash of each subject (the `key` of a check) instead of the subject. This includes limits that a call carries.',
    why: 'Use it for subjects that are secrets, such as API keys, or set `hash_subjects` for single policies. Changing it restarts all counts.',
  },
  {
    name: 'SUBJECT_KEY_FILE',
    kind: path,
    initial: undefined,
    meaning: 'File with the HMAC-SHA-256 key for subject hashes, 16 bytes or more. The sidecar reads it at start.',
    why: 'If it is unset, the hash is plain SHA-256, and anyone who can read Redis can guess subjects. All sidecars need the same key; changing it restarts the counts.',
  },
  {
    name: 'DEFAULT_DEADLINE_MS',
    kind: milliseconds(1, 600_000),
    initial: '1000',
    meaning: 'Deadline of a call that sets none.',
    why: 'No call can wait forever.',
  },
  {
    name: 'DRAIN_TIMEOUT_MS',
    kind: milliseconds(0, 600_000),
    initial: '10000',
    meaning: 'Time after SIGTERM in which calls in flight may finish.',
    why: 'The default is well below the 30 s that Kubernetes grants a pod.',
  },
  {
    name: 'LOG_LEVEL',
    kind: { kind: 'choice', choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] },
    initial: 'info',
    meaning:
      'Lowest level that is logged. The log consists of JSON lines on standard output; lines are dropped while the output is blocked.',
    why: 'At info, the log shows starts, stops and problems but nothing per call. A blocked log reader must not delay calls.',
  },
  {
    name: 'MEMORY_STORE_MAX_ENTRIES',
    kind: count(1, 100_000_000),
    initial: '200000',
    meaning: 'Maximum number of entries in each memory store (limits, sessions, cache). It applies only without Redis.',
    why: 'Unless the heap is large, small entries reach the bound in bytes first.',
  },
  {
    name: 'MEMORY_STORE_MAX_BYTES',
    kind: bytes(1_000_000, 100_000_000_000),
    initial: undefined,
    meaning:
      'Maximum size of each memory store in bytes. All three stores can be full at once, and V8 needs as much again for itself.',
    why: 'If it is unset, a store may use an eighth of the V8 heap, at most 64 MiB. In a container of 192Mi that is 14.2 MB, enough for 34,000 subjects with one limit.',
  },
  {
    name: 'NEAR_CACHE_MAX_ENTRIES',
    kind: count(1, 100_000_000),
    initial: '10000',
    meaning: 'Maximum number of entries in the near cache.',
    why: 'Thousands of sidecars may run in a cluster, so each one uses little memory by default.',
  },
  {
    name: 'NEAR_CACHE_MAX_BYTES',
    kind: bytes(1_000_000, 100_000_000_000),
    initial: '16777216',
    meaning: 'Maximum size of the near cache in bytes.',
    why: 'Thousands of sidecars may run in a cluster, so each one uses little memory by default.',
  },
  {
    name: 'CACHE_MAX_VALUE_BYTES',
    kind: bytes(1, 3_145_728),
    initial: '1048576',
    meaning: 'Maximum size of a value in CacheSet.',
    why: 'A large value delays the commands behind it on the connection. A gRPC message holds at most 4 MiB.',
  },
] as const satisfies readonly SettingRow[];

/** Old names of settings, without the prefix. The loader rejects an old name and suggests the new one. */
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

/** Parses `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (all interfaces). Returns undefined for any other text. */
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
