/**
 * A TLS Cluster that announces IP addresses and whose certificates hold only a host name, as managed offerings do (case Row 25): with the name
 * in a setting it is used, without it or with a wrong one it is refused, and the log line names the setting.
 */
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Logger } from '../../src/lib/logger.ts';
import type { AddressMap } from '../../src/redis/address-map.ts';
import { createRedis, type Redis } from '../../src/redis/redis.ts';
import { silentLogger } from '../support/lib/silent-logger.ts';
import { addressMapOf } from '../support/redis/address-map.ts';
import { PATIENT, redisOptions, soonMs } from '../support/redis/client.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import { makeTls, type TestTls, trustOf } from '../support/redis/tls.ts';
import { waitFor } from '../support/wait.ts';

const KEYS = Array.from({ length: 20 }, (_, index) => `key-${index}`);
/** Resolves to the servers, and is in no certificate. */
const OTHER_NAME = 'other.example';

let tls: TestTls;
let cluster: RedisCluster;
let redis: Redis;
let lines: Record<string, unknown>[];

beforeAll(async () => {
  tls = await makeTls({ names: ['localhost'] });
  cluster = await startCluster({ tls, replicas: 0 });
});

beforeEach(() => {
  lines = [];
});

afterEach(() => redis.close());

afterAll(async () => {
  await cluster.stop();
  tls.remove();
});

const lookup: LookupFunction = (hostname, options, callback) => {
  // The servers listen on IPv4 alone.
  const name = hostname === OTHER_NAME ? 'localhost' : hostname;
  (dns.lookup as LookupFunction)(name, { ...options, family: 4 }, callback);
};

function open(settings: { tlsServerName?: string; addressMap?: AddressMap }): void {
  const note = (fields: object, message: string): void => void lines.push({ ...fields, message });
  const log: Logger = { ...silentLogger, warn: note, error: note };
  const seeds = cluster.nodes.map(({ port }) => `rediss://localhost:${port}`).join(',');
  const trust = { tlsFiles: trustOf(tls.authority), lookup, log };
  redis = createRedis(redisOptions(seeds, { ...PATIENT, ...trust, ...settings }));
  redis.start();
}

async function expectService(): Promise<void> {
  await waitFor('Redis ready', () => redis.isReady());
  for (const key of KEYS) {
    expect(await redis.send(key, ['SET', key, key, 'PX', '60000'], soonMs())).toBe('OK');
  }
}

/** What the log says of servers whose certificates name something else. */
function refusals(): Record<string, unknown>[] {
  return lines.filter(({ reason }) => reason === 'ERR_TLS_CERT_ALTNAME_INVALID');
}

/** The seeds answer, the nodes at these addresses are refused. */
async function expectRefusal(names: readonly string[]): Promise<void> {
  await waitFor('each node refused', () => names.every((name) => refusals().some(({ node }) => node === name)));
  for (const { hint } of refusals()) {
    expect(hint).toContain('DNS:localhost');
    expect(hint).toContain('PANNIER_REDIS_TLS_SERVER_NAME');
    expect(hint).toContain('PANNIER_REDIS_ADDRESS_MAP');
  }
  expect(redis.isReady()).toBe(false);
}

function namesOf(host: string): string[] {
  return cluster.nodes.map(({ port }) => `${host}:${port}`).sort();
}

function usedNodes(): string[] {
  return redis
    .describe()
    .map(({ node }) => node)
    .sort();
}

test('without a setting it is refused, and the log line names the settings that help', async () => {
  open({});
  await expectRefusal(namesOf('127.0.0.1'));
});

test('with the name of the certificate as server name it is used, under the addresses that it announces', async () => {
  open({ tlsServerName: 'localhost' });
  await expectService();
  expect(usedNodes()).toEqual(namesOf('127.0.0.1'));
  expect(lines).toEqual([]);
});

test('another server name is refused', async () => {
  open({ tlsServerName: OTHER_NAME });
  await waitFor('the seeds refused', () => refusals().length > 0);
  expect(redis.describe()).toEqual([]);
});

test('with the announced address mapped to the name it is used, and its nodes have the mapped names', async () => {
  open({ addressMap: addressMapOf('127.0.0.1=localhost') });
  await expectService();
  expect(usedNodes()).toEqual(namesOf('localhost'));
  expect(lines).toEqual([]);
});

test('a mapped name is verified even if the server name would pass', async () => {
  open({ addressMap: addressMapOf(`127.0.0.1=${OTHER_NAME}`), tlsServerName: 'localhost' });
  await expectRefusal(namesOf(OTHER_NAME));
});
