/**
 * From environment variables to Settings: all mistakes at once, or a value that can be used as it is.
 *
 * Promises: every mistake is named with what was found and what is wanted, a secret never with what was found; an unknown PANNIER_*
 * variable is a mistake, except those that Kubernetes makes of a Service called pannier.
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
  /** Undefined: the memory store. */
  readonly redis: RedisTarget | undefined;
  /** Undefined: the cache is in the same Redis. */
  readonly cacheRedis: RedisTarget | undefined;
  readonly redisUsername: string | undefined;
  readonly redisPasswordFile: string | undefined;
  readonly redisSentinelUsername: string | undefined;
  readonly redisSentinelPasswordFile: string | undefined;
  readonly redisTlsCaFile: string | undefined;
  /** Set if and only if the key file is. */
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
  /** Permissions of the socket, e.g. 0o660. */
  readonly grpcSocketMode: number;
  readonly grpcTransport: 'http2' | 'grpc-js';
  /** 0: never. */
  readonly maxGrpcConnectionAgeMs: number;
  /** 0: never. */
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
  /** Undefined: as much as the heap allows. */
  readonly maxMemoryStoreBytes: number | undefined;
  readonly maxNearCacheEntries: number;
  readonly maxNearCacheBytes: number;
  readonly maxCacheValueBytes: number;
}

export interface SettingProblem {
  /** The variable, with its prefix. */
  readonly name: string;
  readonly message: string;
}

export type SettingsResult =
  | { readonly settings: Settings }
  | { readonly problems: readonly [SettingProblem, ...SettingProblem[]] };

type Environment = Readonly<Record<string, string | undefined>>;

/** What Kubernetes puts into every pod for Services called pannier or pannier-something, and what the Makefile and tests of this repository read. */
const FOREIGN =
  /^PANNIER_((\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)|TEST_\w+|MIXED_REF|INSTALL)$/;
/** PANNIER_GRPC_PORT is one too, but only with such a value: somebody may well take it for a setting. */
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
  const found = row.isSecret === true ? 'not shown, since it may hold a password' : JSON.stringify(text);
  const problem = (accepted: string): SettingProblem => ({
    name,
    message: `cannot use ${name}: it is ${found}, wanted ${accepted}`,
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
    const hint = nearest === undefined ? 'a setting of docs/reference/settings.md' : `${PREFIX}${nearest}, perhaps`;
    return { name, message: `cannot use ${name}: there is no such setting, wanted ${hint}` };
  });
}

function isForeign(name: string, value = ''): boolean {
  return FOREIGN.test(name) || (FOREIGN_PORT.test(name) && FOREIGN_PORT_VALUE.test(value));
}

function contradictions(texts: ReadonlyMap<SettingName, string | undefined>): SettingProblem[] {
  const problems: SettingProblem[] = [];
  if (texts.get('GRPC_ADDRESS') === 'none' && texts.get('GRPC_SOCKET') === undefined) {
    const message =
      'cannot use PANNIER_GRPC_ADDRESS: it is "none" and there is no PANNIER_GRPC_SOCKET, wanted one of the two';
    problems.push({ name: 'PANNIER_GRPC_ADDRESS', message });
  }
  if (texts.get('CACHE_REDIS_URL') !== undefined && texts.get('REDIS_URL') === undefined) {
    const message =
      'cannot use PANNIER_CACHE_REDIS_URL: PANNIER_REDIS_URL is unset, wanted both or PANNIER_REDIS_URL alone';
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
