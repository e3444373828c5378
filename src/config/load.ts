/**
 * Reads the settings from environment variables. Returns either valid Settings or every error at once.
 *
 * Invariants:
 *   1. Every error contains the name of the variable, the accepted values and the current value. An error omits the
 *      value of a secret.
 *   2. An unknown PANNIER_* variable is an error, unless Kubernetes created the variable for a Service called pannier.
 */
import { parseRedisUrl, type RedisTarget } from '../lib/redis-url.ts';
import { type AddressMapEntry, parseAddressMap } from './address-map.ts';
import { nearestOf } from './nearest.ts';
import { PREFIX, parseAddress, RENAMED_SETTINGS, SETTINGS, type SettingName, type SettingRow } from './settings.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface Settings {
  /** Redis deployment for limits and sessions; if undefined, the sidecar uses the memory stores. */
  readonly redis: RedisTarget | undefined;
  /** Separate Redis deployment for the cache; undefined if the cache uses `redis`. */
  readonly cacheRedis: RedisTarget | undefined;
  readonly redisUsername: string | undefined;
  readonly redisPasswordFile: string | undefined;
  readonly redisSentinelUsername: string | undefined;
  readonly redisSentinelPasswordFile: string | undefined;
  readonly redisTlsCaFile: string | undefined;
  /** Path of the client certificate; set if and only if `redisTlsKeyFile` is set. */
  readonly redisTlsCertFile: string | undefined;
  readonly redisTlsKeyFile: string | undefined;
  readonly redisTlsServerName: string | undefined;
  readonly redisAddressMap: readonly AddressMapEntry[];
  readonly redisFilesOptional: boolean;
  readonly redisCommandTimeoutMs: number;
  readonly redisConnectTimeoutMs: number;
  readonly redisConnectionsPerMaster: number;
  readonly grpcAddress: ListenAddress | undefined;
  readonly grpcSocket: string | undefined;
  /** File mode of the socket, such as 0o660. */
  readonly grpcSocketMode: number;
  readonly grpcTransport: 'http2' | 'grpc-js';
  /** Age at which the sidecar drains a connection; 0 means that connections have no maximum age. */
  readonly maxGrpcConnectionAgeMs: number;
  /** Idle timeout of a connection; 0 means that connections have no idle timeout. */
  readonly maxGrpcConnectionIdleMs: number;
  readonly adminAddress: ListenAddress | undefined;
  readonly policyFile: string | undefined;
  readonly policyFileOptional: boolean;
  readonly keyPrefix: string;
  readonly scope: string;
  readonly hashSubjects: boolean;
  readonly subjectKeyFile: string | undefined;
  readonly defaultDeadlineMs: number;
  readonly drainTimeoutMs: number;
  readonly logLevel: string;
  readonly maxMemoryStoreEntries: number;
  /** Maximum size of each memory store; if undefined, the size of the heap determines the maximum. */
  readonly maxMemoryStoreBytes: number | undefined;
  readonly maxNearCacheEntries: number;
  readonly maxNearCacheBytes: number;
  readonly maxCacheValueBytes: number;
}

export interface SettingProblem {
  /** Name of the variable, with its prefix. */
  readonly name: string;
  readonly message: string;
}

export type SettingsResult =
  | { readonly settings: Settings }
  | { readonly problems: readonly [SettingProblem, ...SettingProblem[]] };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Matches variables that are not settings. Kubernetes adds some of these variables to every pod for a Service called
 * pannier or pannier-something. The Makefile and the tests of this repository read the others.
 */
const FOREIGN =
  /^PANNIER_((\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)|TEST_\w+|MIXED_REF|INSTALL)$/;
/**
 * Matches Service variables such as PANNIER_GRPC_PORT. The loader ignores such a variable only if its value matches
 * FOREIGN_PORT_VALUE. If the variable has any other value, the user may have intended the variable as a setting.
 */
const FOREIGN_PORT = /^PANNIER_(\w+_)?PORT$/;
const FOREIGN_PORT_VALUE = /^(tcp|udp|sctp):\/\//;

export function loadSettings(environment: Environment): SettingsResult {
  const problems = [...unknownVariables(environment)];
  const texts = new Map<SettingName, string | undefined>();
  for (const row of SETTINGS as readonly (SettingRow & { name: SettingName })[]) {
    const given = environment[PREFIX + row.name];
    const isGiven = given !== undefined && (given !== '' || row.name === 'KEY_PREFIX');
    const text = isGiven ? given : row.initial;
    const problem = text === undefined ? undefined : findProblem(row, text);
    if (problem !== undefined) {
      problems.push(problem);
    }
    texts.set(row.name, text);
  }
  if (problems.length === 0) {
    problems.push(...contradictions(texts));
  }
  const [first, ...others] = problems;
  return first === undefined ? { settings: toSettings(texts) } : { problems: [first, ...others] };
}

function findProblem(row: SettingRow, text: string): SettingProblem | undefined {
  const name = PREFIX + row.name;
  const got = row.isSecret === true ? 'a value that is not shown because it may hold a password' : JSON.stringify(text);
  const problem = (accepted: string): SettingProblem => ({
    name,
    message: `${name} must be ${accepted}, got ${got}`,
  });
  switch (row.kind.kind) {
    case 'integer': {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      const { min, max, unit } = row.kind;
      const isWithin = value >= min && value <= max;
      return isWithin ? undefined : problem(`an integer from ${min} to ${max}${unit === '' ? '' : ` ${unit}`}`);
    }
    case 'choice':
      return row.kind.choices.includes(text) ? undefined : problem(`one of ${row.kind.choices.join(', ')}`);
    case 'text': {
      if (row.kind.accepts(text)) {
        return undefined;
      }
      const exact = row.kind.problemOf?.(text);
      return exact === undefined ? problem(row.kind.accepted) : { name, message: `${name}${exact}` };
    }
  }
}

function unknownVariables(environment: Environment): SettingProblem[] {
  const known = new Set<string>(SETTINGS.map((row) => row.name));
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith(PREFIX) && !known.has(name.slice(PREFIX.length)) && !isForeign(name, environment[name]),
  );
  return unknown.map((name) => {
    const renamed = RENAMED_SETTINGS.get(name.slice(PREFIX.length));
    if (renamed !== undefined) {
      return { name, message: `cannot use ${name}: it was renamed; use ${PREFIX}${renamed}` };
    }
    const nearest = nearestOf(name.slice(PREFIX.length), known);
    const hint = nearest === undefined ? 'see docs/reference/settings.md' : `did you mean ${PREFIX}${nearest}?`;
    return { name, message: `unknown setting ${name}; ${hint}` };
  });
}

function isForeign(name: string, value = ''): boolean {
  return FOREIGN.test(name) || (FOREIGN_PORT.test(name) && FOREIGN_PORT_VALUE.test(value));
}

function contradictions(texts: ReadonlyMap<SettingName, string | undefined>): SettingProblem[] {
  const problems: SettingProblem[] = [];
  if (texts.get('GRPC_ADDRESS') === 'none' && texts.get('GRPC_SOCKET') === undefined) {
    const message = 'PANNIER_GRPC_ADDRESS must be HOST:PORT when PANNIER_GRPC_SOCKET is unset, got "none"';
    problems.push({ name: 'PANNIER_GRPC_ADDRESS', message });
  }
  if (texts.get('CACHE_REDIS_URL') !== undefined && texts.get('REDIS_URL') === undefined) {
    const message =
      'cannot use PANNIER_CACHE_REDIS_URL: PANNIER_REDIS_URL is not set; set both or only PANNIER_REDIS_URL';
    problems.push({ name: 'PANNIER_CACHE_REDIS_URL', message });
  }
  const pair = ['REDIS_TLS_CERT_FILE', 'REDIS_TLS_KEY_FILE'] as const;
  const given = pair.filter((name) => texts.get(name) !== undefined);
  for (const missing of pair.filter((name) => given.length === 1 && !given.includes(name))) {
    const message = `cannot use ${PREFIX}${given[0]}: ${PREFIX}${missing} is not set; set both or neither`;
    problems.push({ name: PREFIX + missing, message });
  }
  return problems;
}

function toSettings(texts: ReadonlyMap<SettingName, string | undefined>): Settings {
  const text = (name: SettingName): string => texts.get(name) ?? '';
  const optionalNumber = (name: SettingName): number | undefined => {
    const given = texts.get(name);
    return given === undefined ? undefined : Number(given);
  };
  const listen = (name: SettingName): ListenAddress | undefined => parseAddress(text(name));
  const addressMap = parseAddressMap(text('REDIS_ADDRESS_MAP'));
  const redis = texts.get('REDIS_URL');
  const cacheRedis = texts.get('CACHE_REDIS_URL');
  return {
    redis: redis === undefined ? undefined : parseRedisUrl(redis),
    cacheRedis: cacheRedis === undefined || cacheRedis.trim() === redis?.trim() ? undefined : parseRedisUrl(cacheRedis),
    redisUsername: texts.get('REDIS_USERNAME'),
    redisPasswordFile: texts.get('REDIS_PASSWORD_FILE'),
    redisSentinelUsername: texts.get('REDIS_SENTINEL_USERNAME'),
    redisSentinelPasswordFile: texts.get('REDIS_SENTINEL_PASSWORD_FILE'),
    redisTlsCaFile: texts.get('REDIS_TLS_CA_FILE'),
    redisTlsCertFile: texts.get('REDIS_TLS_CERT_FILE'),
    redisTlsKeyFile: texts.get('REDIS_TLS_KEY_FILE'),
    redisTlsServerName: texts.get('REDIS_TLS_SERVER_NAME'),
    redisAddressMap: 'mappings' in addressMap ? addressMap.mappings : [],
    redisFilesOptional: text('REDIS_FILES_OPTIONAL') === 'true',
    redisCommandTimeoutMs: Number(text('REDIS_COMMAND_TIMEOUT_MS')),
    redisConnectTimeoutMs: Number(text('REDIS_CONNECT_TIMEOUT_MS')),
    redisConnectionsPerMaster: Number(text('REDIS_CONNECTIONS_PER_MASTER')),
    grpcAddress: listen('GRPC_ADDRESS'),
    grpcSocket: texts.get('GRPC_SOCKET'),
    grpcSocketMode: Number.parseInt(text('GRPC_SOCKET_MODE'), 8),
    grpcTransport: text('GRPC_TRANSPORT') as Settings['grpcTransport'],
    maxGrpcConnectionAgeMs: Number(text('GRPC_MAX_CONNECTION_AGE_MS')),
    maxGrpcConnectionIdleMs: Number(text('GRPC_MAX_CONNECTION_IDLE_MS')),
    adminAddress: listen('ADMIN_ADDRESS'),
    policyFile: texts.get('POLICY_FILE'),
    policyFileOptional: text('POLICY_FILE_OPTIONAL') === 'true',
    keyPrefix: text('KEY_PREFIX'),
    scope: text('SCOPE'),
    hashSubjects: text('HASH_SUBJECTS') === 'true',
    subjectKeyFile: texts.get('SUBJECT_KEY_FILE'),
    defaultDeadlineMs: Number(text('DEFAULT_DEADLINE_MS')),
    drainTimeoutMs: Number(text('DRAIN_TIMEOUT_MS')),
    logLevel: text('LOG_LEVEL'),
    maxMemoryStoreEntries: Number(text('MEMORY_STORE_MAX_ENTRIES')),
    maxMemoryStoreBytes: optionalNumber('MEMORY_STORE_MAX_BYTES'),
    maxNearCacheEntries: Number(text('NEAR_CACHE_MAX_ENTRIES')),
    maxNearCacheBytes: Number(text('NEAR_CACHE_MAX_BYTES')),
    maxCacheValueBytes: Number(text('CACHE_MAX_VALUE_BYTES')),
  };
}
