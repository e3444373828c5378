/**
 * Compares the memory per entry in docs/operations/redis.md with a real Redis. Each documented number of bytes differs
 * by at most 30 % from the value that the server reports.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { repositoryRoot } from '../support/repository.ts';
import { waitUntilReady } from '../support/sidecar/fleet.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';

const COUNT = 5_000;
const AT_ONCE = 50;
const HOUR_MS = 3_600_000;
const TOLERANCE = 0.3;
/** Columns of the documented bytes. Redis 8 stores small hashes in less memory; Valkey reports a version below 8. */
const COLUMN_BEFORE_8 = 2;
const COLUMN_FROM_8 = 3;

let redis: RedisNode;
let sidecar: Sidecar;
let client: PannierClient;

beforeAll(async () => {
  redis = await startRedis();
  sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url });
  await waitUntilReady(sidecar);
  client = connectPannier(sidecar.address);
});

afterAll(async () => {
  client.close();
  await sidecar.stop();
  await redis.stop();
});

async function documentedColumn(): Promise<number> {
  const text = String(await redis.command('INFO', 'server'));
  return Number(/redis_version:(\d+)/.exec(text)?.[1]) >= 8 ? COLUMN_FROM_8 : COLUMN_BEFORE_8;
}

async function usedBytes(): Promise<number> {
  const text = String(await redis.command('INFO', 'memory'));
  return Number(/used_memory:(\d+)/.exec(text)?.[1]);
}

/** Returns by how many bytes one call increases the memory of the server, on average over many calls. */
async function bytesPerCall(call: (index: number) => Promise<{ readonly ok: boolean }>): Promise<number> {
  await redis.command('FLUSHALL', 'SYNC');
  await call(COUNT);
  const before = await usedBytes();
  for (let index = 0; index < COUNT; index += AT_ONCE) {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, step) => call(index + step)));
    expect(answers.every(({ ok }) => ok)).toBe(true);
  }
  return ((await usedBytes()) - before) / COUNT;
}

/** Returns the documented bytes in the row that begins with this string, for the version of the server. */
async function documentedBytes(row: string): Promise<number> {
  const page = readFileSync(join(repositoryRoot, 'docs/operations/redis.md'), 'utf8');
  const line = page.split('\n').find((candidate) => candidate.startsWith(`| ${row} |`)) ?? '';
  return Number(line.split('|')[await documentedColumn()]?.replaceAll(/[^0-9]/g, ''));
}

const limit = { name: 'a', algorithm: 'ALGORITHM_TOKEN_BUCKET', limit: 100, windowMs: HOUR_MS } as const;
const data = { data: Buffer.alloc(100, 'x') };

const CALLS: Readonly<Record<string, (index: number) => Promise<{ readonly ok: boolean }>>> = {
  'subject with a token bucket': (index) => client.checkRateLimit({ key: `user-${index}`, limits: [limit] }),
  'guest session with 100 bytes of data': () => client.createSession({ data }),
  'session of a user with 100 bytes of data': (index) => client.createSession({ userId: `user-${index}`, data }),
  'cached value of 1 KiB': (index) =>
    client.cacheSet({ key: Buffer.from(`key-${index}`), value: Buffer.alloc(1_024, 'x'), ttlMs: HOUR_MS }),
};

test.each(Object.entries(CALLS))('takes the documented memory for a %s', async (row, call) => {
  const bytes = await bytesPerCall(call);
  const documented = await documentedBytes(row);
  expect(bytes).toBeGreaterThan(documented * (1 - TOLERANCE));
  expect(bytes).toBeLessThan(documented * (1 + TOLERANCE));
});
