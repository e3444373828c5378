/**
 * Runs a master, its replicas and the Sentinels that monitor them as real processes.
 *
 * The Sentinels consider a master dead after 1 s, so a failover takes two to three seconds. The servers require a
 * password. The Sentinels require a different login or no login.
 */

import { waitFor } from '../wait.ts';
import type { RedisTls } from './server.ts';
import { type RedisNode, type RedisServerOptions, startRedis } from './server.ts';

export const MASTER_NAME = 'shop-main';

export interface SentinelGroup {
  readonly servers: RedisNode[];
  readonly sentinels: RedisNode[];
  /** URL of the group: redis+sentinel://:PASSWORD@127.0.0.1:PORT,.../shop-main */
  readonly url: string;
  stop(): Promise<void>;
}

export interface SentinelGroupOptions {
  readonly replicas?: number;
  readonly tls?: RedisTls;
  /** Password of the Sentinels' default user. The Sentinels also use it for connections to each other. */
  readonly sentinelPassword?: string;
  /**
   * Returns the name of a user with all permissions. The Sentinel with this index logs in to the servers as this user.
   * If unset, all Sentinels use the default user.
   */
  readonly userOf?: (index: number) => string;
}

const SENTINEL_COUNT = 3;
const QUORUM = 2;
export const SERVER_PASSWORD = 'of-the-servers';
const SERVER_ARGS = [
  ...['--repl-diskless-sync-delay', '0', '--enable-debug-command', 'local'],
  ...['--requirepass', SERVER_PASSWORD, '--masterauth', SERVER_PASSWORD],
];

export async function startSentinelGroup(options: SentinelGroupOptions = {}): Promise<SentinelGroup> {
  const { replicas = 1, tls } = options;
  const servers: RedisNode[] = [];
  const sentinels: RedisNode[] = [];
  const group: SentinelGroup = {
    servers,
    sentinels,
    get url() {
      return sentinelUrl(sentinels, tls !== undefined);
    },
    stop: async () => {
      await Promise.all([...sentinels, ...servers].map((node) => node.stop()));
    },
  };
  servers.push(...(await Promise.all(Array.from({ length: replicas + 1 }, () => startServer(tls)))));
  const [master, ...others] = servers as [RedisNode, ...RedisNode[]];
  await Promise.all(others.map((replica) => replicate(replica, master)));
  const users = new Set(Array.from({ length: SENTINEL_COUNT }, (_, index) => options.userOf?.(index)));
  for (const user of users) {
    if (user !== undefined) {
      const rules = ['on', `>${SERVER_PASSWORD}`, '~*', '&*', '+@all'];
      await Promise.all(servers.map((server) => server.command('ACL', 'SETUSER', user, ...rules)));
    }
  }
  sentinels.push(...(await Promise.all(Array.from({ length: SENTINEL_COUNT }, () => startSentinel(options)))));
  await Promise.all(sentinels.map((sentinel, index) => monitor(sentinel, master, options.userOf?.(index))));
  await waitFor(
    'the Sentinels discovering one another and the replicas',
    async () => (await Promise.all(sentinels.map((sentinel) => knows(sentinel, replicas)))).every((known) => known),
    30_000,
  );
  return group;
}

/** Starts a single server with the settings of the group. */
export async function startServer(tls?: RedisTls, port?: number): Promise<RedisNode> {
  const options: RedisServerOptions = { args: SERVER_ARGS, password: SERVER_PASSWORD };
  return await startRedis({
    ...options,
    ...(tls === undefined ? {} : { tls }),
    ...(port === undefined ? {} : { port }),
  });
}

/** Starts a Sentinel that does not monitor a master yet. */
export async function startSentinel(options: SentinelGroupOptions & { port?: number } = {}): Promise<RedisNode> {
  const { port, tls, sentinelPassword: password } = options;
  const sentinel = await startRedis({
    isSentinel: true,
    ...(port === undefined ? {} : { port }),
    ...(tls === undefined ? {} : { tls }),
    ...(password === undefined ? {} : { password, args: ['--requirepass', password] }),
  });
  if (password !== undefined) {
    await sentinel.command('SENTINEL', 'CONFIG', 'SET', 'sentinel-pass', password);
  }
  return sentinel;
}

export async function monitor(sentinel: RedisNode, master: RedisNode, user?: string): Promise<void> {
  await sentinel.command('SENTINEL', 'MONITOR', MASTER_NAME, master.host, String(master.port), String(QUORUM));
  const login = [...(user === undefined ? [] : ['auth-user', user]), 'auth-pass', SERVER_PASSWORD];
  const times = ['down-after-milliseconds', '1000', 'failover-timeout', '4000'];
  await sentinel.command('SENTINEL', 'SET', MASTER_NAME, ...login, ...times);
}

export function sentinelUrl(sentinels: readonly RedisNode[], isTls = false, name = MASTER_NAME): string {
  const hosts = sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
  return `${isTls ? 'rediss' : 'redis'}+sentinel://:${SERVER_PASSWORD}@${hosts}/${name}`;
}

/** Returns the port of the master that this Sentinel names. */
export async function masterPortOf(sentinel: RedisNode): Promise<number> {
  const reply = await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME);
  return Number((reply as unknown[])[1]);
}

/** Waits until all of these Sentinels name the same new master instead of `old`, and returns the new master. */
export async function promoted(
  { servers, sentinels }: Pick<SentinelGroup, 'servers' | 'sentinels'>,
  old: RedisNode,
): Promise<RedisNode> {
  return await waitFor(
    'a failover',
    async () => {
      const ports = new Set(await Promise.all(sentinels.map(masterPortOf)));
      const [port] = ports;
      return ports.size === 1 && port !== old.port ? servers.find((server) => server.port === port) : undefined;
    },
    40_000,
  );
}

async function replicate(replica: RedisNode, master: RedisNode): Promise<void> {
  await replica.command('REPLICAOF', master.host, String(master.port));
  await waitFor(
    'a replica',
    async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
    20_000,
  );
}

async function knows(sentinel: RedisNode, replicas: number): Promise<boolean> {
  const [others, servers] = await Promise.all([
    sentinel.command('SENTINEL', 'SENTINELS', MASTER_NAME),
    sentinel.command('SENTINEL', 'REPLICAS', MASTER_NAME),
  ]);
  return (others as unknown[]).length === SENTINEL_COUNT - 1 && (servers as unknown[]).length === replicas;
}
