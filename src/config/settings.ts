/**
 * Defines the settings in one table. settings-reference.ts renders the table for `pannier serve --help` and
 * docs/reference/settings.md. The loader (load.ts) reads the settings that the table lists.
 *
 * A setting is an environment variable `PANNIER_<name>`. A row contains the meaning of the setting, the values that the
 * setting accepts, its default, and the reason for that default.
 */
import { REDIS_URL_FORMS, readRedisUrl } from '../lib/redis-url.ts';
import { ADDRESS_MAP_FORM, isHostName, parseAddressMap } from './address-map.ts';
import { NAME_FORM, NAME_PATTERN } from './policy-file.ts';

export type SettingKind =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly unit: string }
  | {
      readonly kind: 'text';
      /** Text that completes "must be …" in an error. */
      readonly accepted: string;
      readonly accepts: (value: string) => boolean;
      /**
       * Returns an error text that follows the name of the setting and identifies the invalid part of the value. The
       * text never contains a secret. Without this function, the error text consists of `accepted`.
       */
      readonly problemOf?: (value: string) => string | undefined;
    }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

export interface SettingRow {
  /** Name of the variable without the prefix `PANNIER_`. */
  readonly name: string;
  readonly kind: SettingKind;
  /** Default as the text of the environment variable; undefined if the setting has no default. */
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
      'URL of the Redis that stores limits, sessions and, unless PANNIER_CACHE_REDIS_URL is set, the cache. For a Cluster, the URLs of a few nodes are enough.',
    why: 'If it is unset, the sidecar keeps all data in its own memory, so that you can try Pannier without Redis.',
    isSecret: true,
  },
  {
    name: 'CACHE_REDIS_URL',
    kind: redisUrls,
    initial: undefined,
    meaning: 'URL of a separate Redis for the cache. If it is unset, the cache uses PANNIER_REDIS_URL.',
    why: 'A cache works best with the eviction policy allkeys-lru, but limits and sessions need noeviction. In both cases the cache uses separate connections.',
    isSecret: true,
  },
  {
    name: 'REDIS_USERNAME',
    kind: { kind: 'text', accepted: 'a user name', accepts: (value) => value.length > 0 },
    initial: undefined,
    meaning: 'ACL user for Redis.',
    why: 'If it is unset, the sidecar uses the user in the URL, or the default user if the URL contains no user.',
  },
  {
    name: 'REDIS_PASSWORD_FILE',
    kind: path,
    initial: undefined,
    meaning: 'File that contains the Redis password. The sidecar reads the file again for every new connection.',
    why: 'A mounted Secret can be rotated without a restart, and a file does not show up in the environment.',
  },
  {
    name: 'REDIS_SENTINEL_USERNAME',
    kind: { kind: 'text', accepted: 'a user name', accepts: (value) => value.length > 0 },
    initial: undefined,
    meaning: 'ACL user for the Sentinels of a redis+sentinel:// URL.',
    why: 'If it is unset, the sidecar uses the default user of the Sentinels. The user and the password in the URL are only for the Redis servers.',
  },
  {
    name: 'REDIS_SENTINEL_PASSWORD_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'File that contains the password of the Sentinels. The sidecar reads the file again for every new connection.',
    why: 'If it is unset, the sidecar sends the Sentinels no password. Sentinels have a separate login, and many Sentinels require no password.',
  },
  {
    name: 'REDIS_TLS_CA_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'File with the CA certificates (PEM) that verify rediss:// servers. The sidecar reads the file again for every new connection.',
    why: 'If it is unset, the sidecar uses the CA certificates that Node contains. A new CA needs no restart.',
  },
  {
    name: 'REDIS_TLS_CERT_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'File with the client certificate and its chain (PEM) for rediss://. The sidecar reads the file again for every new connection.',
    why: 'If it is unset, the sidecar sends no client certificate. Set both this setting and PANNIER_REDIS_TLS_KEY_FILE, or neither.',
  },
  {
    name: 'REDIS_TLS_KEY_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'File with the private key (PEM, without a passphrase) of the client certificate. The sidecar reads the file again for every new connection.',
    why: 'If it is unset, the sidecar sends no client certificate. Set both this setting and PANNIER_REDIS_TLS_CERT_FILE, or neither.',
  },
  {
    name: 'REDIS_TLS_SERVER_NAME',
    kind: { kind: 'text', accepted: 'a host name (not an IP address)', accepts: isHostName },
    initial: undefined,
    meaning: 'Name that the certificate of every rediss:// server must have. The sidecar also sends the name as SNI.',
    why: 'If it is unset, the certificate must match the host to which the sidecar connects. Use the setting if a Cluster announces IP addresses but its certificates contain a host name.',
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
    why: 'If it is unset, the sidecar connects to the addresses that nodes announce. Connections to these addresses fail if the nodes are behind a NAT, or if the certificates contain other names.',
  },
  {
    name: 'REDIS_FILES_OPTIONAL',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning:
      'If true, a setting for a password, TLS or subject key file is treated as unset if the file is missing or empty. If false, such a file is an error.',
    why: 'With the default, a wrong path is an error at start. The injector sets true, because a mounted Secret contains only the files that its owner chose.',
  },
  {
    name: 'REDIS_COMMAND_TIMEOUT_MS',
    kind: milliseconds(20, 60_000),
    initial: '250',
    meaning:
      'Timeout of a Redis command. Each KiB that the command transfers adds 1 ms. The sidecar also drops a connection that receives no byte for this time while a command is in flight.',
    why: 'The default is far longer than a healthy round trip, and short enough that the failure mode decides within 300 ms.',
  },
  {
    name: 'REDIS_CONNECT_TIMEOUT_MS',
    kind: milliseconds(20, 60_000),
    initial: '500',
    meaning: 'Timeout for establishing a connection, including authentication.',
    why: 'Without a timeout, a server that accepts connections but never replies would block the sidecar.',
  },
  {
    name: 'REDIS_CONNECTIONS_PER_MASTER',
    kind: count(1, 16),
    initial: '1',
    meaning: 'Number of connections to each master, for each role: state (limits and sessions) and cache.',
    why: 'One connection is enough, because commands are pipelined. With more connections, large values delay fewer small commands.',
  },
  {
    name: 'GRPC_ADDRESS',
    kind: address,
    initial: '127.0.0.1:9470',
    meaning: 'Listen address of the gRPC API. Use none to serve only the Unix socket.',
    why: 'The API has no authentication, so by default it listens on loopback, which only the containers of the same pod can reach.',
  },
  {
    name: 'GRPC_SOCKET',
    kind: path,
    initial: undefined,
    meaning: 'Path of a Unix socket that serves the gRPC API in addition to the address.',
    why: 'A Unix socket costs less CPU than TCP. If both containers mount the volume of the socket, the application can reach the socket.',
  },
  {
    name: 'GRPC_SOCKET_MODE',
    kind: { kind: 'text', accepted: 'four octal digits such as 0660', accepts: (value) => /^0[0-7]{3}$/.test(value) },
    initial: '0660',
    meaning: 'File mode of the Unix socket.',
    why: 'The default gives access to the owner and the group of the socket. Use 0666 in a pod whose containers run as different users, because only these containers can mount the volume.',
  },
  {
    name: 'GRPC_TRANSPORT',
    kind: { kind: 'choice', choices: ['http2', 'grpc-js'] },
    initial: 'http2',
    meaning:
      'HTTP/2 server of the gRPC API: http2 selects the built-in server, grpc-js selects the library @grpc/grpc-js.',
    why: 'Both servers pass the same tests. The built-in server needs a fraction of the CPU time and memory of grpc-js (docs/internals/performance.md).',
  },
  {
    name: 'GRPC_MAX_CONNECTION_AGE_MS',
    kind: milliseconds(0, MAX_TIMER_MS),
    initial: '0',
    meaning:
      'Age at which the sidecar drains a connection, so that the caller reconnects. With 0, connections have no maximum age.',
    why: 'The address has only one server, so new connections would not balance any load.',
  },
  {
    name: 'GRPC_MAX_CONNECTION_IDLE_MS',
    kind: milliseconds(0, MAX_TIMER_MS),
    initial: '1800000',
    meaning:
      'Idle timeout: time without a call after which the sidecar drains a connection. With 0, connections have no idle timeout.',
    why: 'The timeout closes connections that clients have abandoned, and does not affect busy clients.',
  },
  {
    name: 'ADMIN_ADDRESS',
    kind: address,
    initial: ':9471',
    meaning: 'Listen address of /livez, /readyz and /metrics.',
    why: 'With the default, the sidecar listens on all interfaces, because the kubelet and Prometheus connect from outside the pod.',
  },
  {
    name: 'POLICY_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'Path to the policy file (docs/reference/policies.md). The sidecar watches the file and applies changes without a restart.',
    why: 'If it is unset, there are no policies. Calls can still contain their own limits.',
  },
  {
    name: 'POLICY_FILE_OPTIONAL',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning:
      'If true, the sidecar also starts if the policy file is missing or has errors. It loads the file once it exists, and uses the valid parts of a file with errors.',
    why: 'With the default, a wrong path or an error in the file is an error at start. With true, a ConfigMap that is created later needs no restart, and an error in a ConfigMap does not stop new pods.',
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
    why: 'The prefix separates the keys of installations that share one Redis.',
  },
  {
    name: 'SCOPE',
    kind: { kind: 'text', accepted: NAME_FORM, accepts: (value) => NAME_PATTERN.test(value) },
    initial: 'default',
    meaning:
      'Scope of the limits: each scope has separate counts for a policy. In an injected pod, the default is the namespace of the pod.',
    why: 'Two teams may use the same policy name, such as `api`. A policy with `shared: true` has one count for all scopes.',
  },
  {
    name: 'HASH_SUBJECTS',
    kind: { kind: 'choice', choices: ['true', 'false'] },
    initial: 'false',
    meaning:
      'If true, Redis stores a hash of each subject (the `key` of a check) instead of the subject. This also applies to limits that a call contains.',
    why: 'Use the setting if subjects are secrets, such as API keys, or set `hash_subjects` for single policies. A change to this setting restarts all counts.',
  },
  {
    name: 'SUBJECT_KEY_FILE',
    kind: path,
    initial: undefined,
    meaning:
      'File with the HMAC-SHA-256 key for subject hashes, 16 bytes or more. The sidecar reads the file at start.',
    why: 'If it is unset, the hash is plain SHA-256, and anyone who can read Redis can guess subjects. All sidecars need the same key. A change to the key restarts all counts.',
  },
  {
    name: 'DEFAULT_DEADLINE_MS',
    kind: milliseconds(1, 600_000),
    initial: '1000',
    meaning: 'Deadline of a call that arrives without a deadline.',
    why: 'Without a default, such a call could wait forever.',
  },
  {
    name: 'DRAIN_TIMEOUT_MS',
    kind: milliseconds(0, 600_000),
    initial: '10000',
    meaning: 'Maximum time that calls in flight may take after SIGTERM.',
    why: 'By default, Kubernetes kills a stopping pod after 30 s, and the default of this setting is well below that.',
  },
  {
    name: 'LOG_LEVEL',
    kind: { kind: 'choice', choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] },
    initial: 'info',
    meaning:
      'Lowest level that is logged. The log consists of JSON lines on standard output. The sidecar drops lines while the output is blocked.',
    why: 'At level info, the log contains starts, stops and problems, but no line for each call. Lines are dropped because a blocked reader of the log must not delay calls.',
  },
  {
    name: 'MEMORY_STORE_MAX_ENTRIES',
    kind: count(1, 100_000_000),
    initial: '200000',
    meaning:
      'Maximum number of entries in each memory store (limits, sessions, cache). The setting applies only without Redis.',
    why: 'Unless the heap is large, a store reaches its maximum size in bytes first.',
  },
  {
    name: 'MEMORY_STORE_MAX_BYTES',
    kind: bytes(1_000_000, 100_000_000_000),
    initial: undefined,
    meaning:
      'Maximum size of each memory store in bytes. If all three stores are full at once, V8 needs the same amount of memory in addition.',
    why: 'If it is unset, a store may use an eighth of the V8 heap, at most 64 MiB. In a container with a memory limit of 192Mi, an eighth is 14.2 MB, which is enough for 34,000 subjects with one limit.',
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
    why: 'A large value delays the commands behind it on the connection. A gRPC message is at most 4 MiB long.',
  },
] as const satisfies readonly SettingRow[];

/** Old names of settings, without the prefix. The loader rejects an old name and suggests the new name. */
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
