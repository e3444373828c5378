/**
 * Tests a TLS Cluster that announces IP addresses while its certificates contain only a host name, as in managed
 * services. The sidecar uses the Cluster if a setting contains the host name in the certificates. Otherwise, the
 * sidecar rejects the nodes, and a log line names the setting.
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
/** Name that resolves to the servers but is in no certificate. */
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
  // The servers listen only on IPv4.
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

/** Returns the log lines about servers whose certificates are for another host name. */
function refusals(): Record<string, unknown>[] {
  return lines.filter(({ reason }) => reason === 'ERR_TLS_CERT_ALTNAME_INVALID');
}

/** Expects that the seeds answer and that the nodes at these addresses are rejected. */
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

test('is rejected without a setting, and the log line names the settings that help', async () => {
  open({});
  await expectRefusal(namesOf('127.0.0.1'));
});

test('is used under its announced addresses if the server name is the name in the certificate', async () => {
  open({ tlsServerName: 'localhost' });
  await expectService();
  expect(usedNodes()).toEqual(namesOf('127.0.0.1'));
  expect(lines).toEqual([]);
});

test('is rejected with another server name', async () => {
  open({ tlsServerName: OTHER_NAME });
  await waitFor('the seeds refused', () => refusals().length > 0);
  expect(redis.describe()).toEqual([]);
});

test('is used under the mapped names if the announced address is mapped to the name', async () => {
  open({ addressMap: addressMapOf('127.0.0.1=localhost') });
  await expectService();
  expect(usedNodes()).toEqual(namesOf('localhost'));
  expect(lines).toEqual([]);
});

test('is rejected if the mapped name is wrong, even if the server name would pass', async () => {
  open({ addressMap: addressMapOf(`127.0.0.1=${OTHER_NAME}`), tlsServerName: 'localhost' });
  await expectRefusal(namesOf(OTHER_NAME));
});
