/**
 * Opens the stores of a sidecar with Redis. This module is part of the composition root.
 *
 * Invariant: the roles `state` (limits and sessions) and `cache` have separate connections, even if one Redis serves
 * both. A large cache value therefore never delays a rate-limit decision. Each role can also use a Redis with the
 * eviction policy that the role needs.
 */
import { RedisCacheStore } from '../cache/redis-store.ts';
import { RedisTlsFiles } from '../config/redis-tls-files.ts';
import { readRedisPassword, readSentinelPassword } from '../config/setting-files.ts';
import type { Logger } from '../lib/logger.ts';
import type { RedisTarget } from '../lib/redis-url.ts';
import { readFailureCode } from '../lib/system-code.ts';
import { RedisRateLimitStore } from '../rate-limit/redis-store.ts';
import { addressText, type CredentialsSource, type NodeAddress } from '../redis/address.ts';
import { createAddressMap } from '../redis/address-map.ts';
import { FormatGuard } from '../redis/format-guard.ts';
import { createKeyspace, type Keyspace } from '../redis/keyspace.ts';
import type { RedisOptions } from '../redis/options.ts';
import { createRedis, type Redis } from '../redis/redis.ts';
import { type CurrentRefusal, RefusalLog } from '../redis/refusal-log.ts';
import type { TopologySource } from '../redis/topology-member.ts';
import { createTopologySource } from '../redis/topology-source.ts';
import { RedisSessionStore } from '../session/redis-store.ts';
import type { Stores, StoresOptions } from './stores.ts';

interface RedisStoresOptions extends StoresOptions {
  /** TLS files that both roles use. */
  readonly tlsFiles: RedisTlsFiles;
  /** HMAC key for subject hashes; undefined selects plain SHA-256. */
  readonly subjectKey: Buffer | undefined;
}

/**
 * Maximum number of commands in flight on a connection. This number bounds memory, but is higher than the number of
 * commands that a sidecar has in flight if each command takes 250 ms.
 */
const MAX_QUEUE = 10_000;
/** Interval at which the sidecar checks the eviction policy until Redis has replied. */
const EVICTION_CHECK_MS = 1_000;
/**
 * Time after which the sidecar logs that Redis has never replied. The readiness check waits for Redis for the same
 * time.
 */
const SILENCE_MS = 5_000;
const NOEVICTION = 'noeviction';

export async function openRedisStores(
  given: StoresOptions & Pick<RedisStoresOptions, 'subjectKey'>,
  target: RedisTarget,
): Promise<Stores> {
  const { settings, log } = given;
  const keyspace = createKeyspace(settings.keyPrefix, given.subjectKey);
  const options: RedisStoresOptions = { ...given, tlsFiles: new RedisTlsFiles(settings, log) };
  await options.tlsFiles.read();
  const cacheTarget = settings.cacheRedis ?? target;
  // Both roles share the topology of a shared Redis, but not its connections.
  const isShared = settings.cacheRedis === undefined;
  const source = isShared ? createTopologySource(redisOptions(options, 'state and cache', target)) : undefined;
  const state = openRole(options, { role: 'state', target, keyspace, source });
  const cache = openRole(options, { role: 'cache', target: cacheTarget, keyspace, source });
  const roles = [state, cache];
  let wasReady = false;
  const stops = [
    warnOfEviction(state.redis, log),
    warnOfSilence(state.redis, 'state', target.hosts, log),
    warnOfSilence(cache.redis, 'cache', cacheTarget.hosts, log),
  ];
  return {
    kind: 'redis',
    channelNames: keyspace,
    rateLimit: new RedisRateLimitStore({ redis: state.guard, keyspace }),
    session: new RedisSessionStore({ commands: state.guard, keyspace }),
    cache: new RedisCacheStore({ commands: cache.guard, keyspace }),
    createSubscriber: (listener) => cache.redis.createSubscriber(listener),
    hasAnswered: () => {
      wasReady ||= roles.every(({ redis, guard }) => redis.isReady() && guard.hasAnswered);
      return wasReady;
    },
    isRefused: () => roles.some(({ guard }) => guard.refusal !== undefined),
    describe: () => [...describe('state', state, target.hosts), ...describe('cache', cache, cacheTarget.hosts)],
    close: () => {
      for (const stop of stops) {
        stop();
      }
      for (const { redis, guard } of roles) {
        guard.close();
        redis.close();
      }
    },
  };
}

/** Connections of a role, and the format guard through which the stores of this role send commands. */
interface Role {
  readonly redis: Redis;
  readonly guard: FormatGuard;
  readonly refusals: RefusalLog;
}

interface RoleOptions {
  readonly role: 'state' | 'cache';
  readonly target: RedisTarget;
  readonly keyspace: Keyspace;
  /** Shared topology source; undefined creates a separate source. */
  readonly source: TopologySource | undefined;
}

function openRole(options: RedisStoresOptions, { role, target, keyspace, source }: RoleOptions): Role {
  const { clock, log, metrics } = options;
  const permissions = { area: role, prefix: options.settings.keyPrefix };
  const access = { ...redisOptions(options, role, target), permissions };
  const redis = createRedis({ ...access, onConnectionChange: () => guard.onConnectionChange() }, source);
  const { refusals } = access;
  const guard = new FormatGuard({ commands: redis, role, key: keyspace.format(role), clock, log });
  metrics.onScrape(role, () => {
    const { conflictingMasters, changes, silentSentinels } = redis.topologyStatus();
    const isFormatRefused = guard.refusal !== undefined;
    const refusedCodes = refusals.current().map(({ code }) => code);
    const isUp = redis.isReady();
    return { isUp, conflictingMasters, masterChanges: changes, silentSentinels, isFormatRefused, refusedCodes };
  });
  redis.start();
  return { redis, guard, refusals };
}

/** Returns the options of a connection pool. `role` also appears in logs. */
function redisOptions(options: RedisStoresOptions, role: string, target: RedisTarget): RedisOptions {
  const { settings, clock, wheel, log, metrics } = options;
  return {
    role,
    seeds: target.hosts,
    ...(target.masterName === undefined
      ? {}
      : { sentinel: { masterName: target.masterName, credentials: sentinelCredentials(options, role) } }),
    credentials: serverCredentials(options, role, target),
    isTls: target.isTls,
    tlsFiles: () => options.tlsFiles.read(),
    tlsServerName: settings.redisTlsServerName,
    addressMap: createAddressMap(settings.redisAddressMap),
    connectTimeoutMs: settings.redisConnectTimeoutMs,
    commandTimeoutMs: settings.redisCommandTimeoutMs,
    connectionsPerMaster: settings.redisConnectionsPerMaster,
    maxQueue: MAX_QUEUE,
    clock,
    wheel,
    metrics: metrics.redis(role),
    log,
    refusals: new RefusalLog({ role, clock, log }),
  };
}

function serverCredentials({ settings, log }: StoresOptions, role: string, target: RedisTarget): CredentialsSource {
  return loggingFailures({ log, role, setting: 'PANNIER_REDIS_PASSWORD_FILE' }, async () => {
    const password = (await readRedisPassword(settings)) ?? target.password;
    return { username: settings.redisUsername ?? target.username, password };
  });
}

function sentinelCredentials({ settings, log }: StoresOptions, role: string): CredentialsSource {
  return loggingFailures({ log, role, setting: 'PANNIER_REDIS_SENTINEL_PASSWORD_FILE' }, async () => {
    return { username: settings.redisSentinelUsername, password: await readSentinelPassword(settings) };
  });
}

/**
 * Reads the credentials for every new connection, because an operator may have rotated the file. Logs a failed read
 * once. Logs the next failure only after a read has succeeded.
 */
function loggingFailures(
  { log, role, setting }: { log: Logger; role: string; setting: string },
  source: CredentialsSource,
): CredentialsSource {
  let isReported = false;
  return async () => {
    try {
      const credentials = await source();
      isReported = false;
      return credentials;
    } catch (error) {
      if (!isReported) {
        isReported = true;
        const fields = { role, code: readFailureCode(error) };
        log.error(fields, `cannot read ${setting}, not connecting to Redis`);
      }
      throw error;
    }
  };
}

/**
 * Logs once if no node has replied for a while. Otherwise an operator might not notice that the failure modes determine
 * the results of all calls.
 */
function warnOfSilence(redis: Redis, role: string, seeds: readonly NodeAddress[], log: Logger): () => void {
  const timer = setTimeout(() => {
    const { notices, reasons } = redis.topologyStatus();
    if (redis.describe().length === 0 && notices.length === 0) {
      const seedTexts = seeds.map(addressText);
      log.warn(
        { role, seeds: seedTexts, reasons: Object.fromEntries(reasons) },
        'no Redis node has replied yet, failure modes decide',
      );
    }
  }, SILENCE_MS);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Logs once if the eviction policy lets Redis evict limits and sessions. */
function warnOfEviction(redis: Redis, log: Logger): () => void {
  const timer = setInterval(() => {
    if (!redis.isReady()) {
      return;
    }
    clearInterval(timer);
    void redis.readEvictionPolicy().then((policy) => {
      if (policy !== undefined && policy !== NOEVICTION) {
        log.warn({ policy }, `redis may evict limits and sessions; set maxmemory-policy to ${NOEVICTION}`);
      }
    });
  }, EVICTION_CHECK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function describe(role: string, { redis, guard, refusals }: Role, seeds: readonly NodeAddress[]): string[] {
  const { notices, reasons } = redis.topologyStatus();
  const nodes = redis.describe();
  const problems = [...notices, ...refusals.current().map(refusalLine)].map((text) => `redis ${role}: ${text}`);
  if (nodes.length === 0) {
    const seedTexts = seeds.map(addressText);
    const silence = `redis ${role}: no node has replied yet, tried: ${seedTexts.join(' ')}`;
    const causes = [...reasons].map(([node, reason]) => `redis ${role} ${node}: ${reason}`);
    return [...(problems.length === 0 ? [silence] : []), ...causes, ...problems];
  }
  const lines = nodes.map(({ node, isReady, reason }) => {
    const cause = reason === undefined ? '' : `: ${reason}`;
    return isReady ? `redis ${role} ${node}: connected` : `redis ${role} ${node}: not connected${cause}`;
  });
  const formats = guard.refusal === undefined ? [] : [`redis ${role}: all calls are refused: ${guard.refusal}`];
  return [...lines, ...problems, ...formats];
}

function refusalLine({ code, node, command, details, sinceMs }: CurrentRefusal): string {
  const since = new Date(sinceMs).toISOString();
  return `refused since ${since}: ${code} (${command} on ${node}): ${details.join('; ')}`;
}
