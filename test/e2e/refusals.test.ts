/**
 * Tests a Redis that replies with errors because it is out of memory, is read-only, has too few replicas, or is loading
 * its data. The sidecar returns the documented responses. Once Redis has recovered, calls succeed as before.
 */

import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitUntilReady } from '../support/sidecar/fleet.ts';
import { connectPannier, type PannierClient } from '../support/sidecar/pannier-client.ts';
import { type Sidecar, startSidecar } from '../support/sidecar/sidecar.ts';
import { waitFor } from '../support/wait.ts';

const UNAVAILABLE = 14;
const DECIDED_BY_STORE = 1;
const DECIDED_BY_FAILURE_MODE = 4;
const OUTCOME_UNAVAILABLE = 5;

let redis: RedisNode;
let sidecar: Sidecar;
let client: PannierClient;

beforeAll(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'local', '--maxmemory-policy', 'noeviction'] });
  sidecar = await startSidecar({ PANNIER_REDIS_URL: redis.url });
  await waitUntilReady(sidecar);
  client = connectPannier(sidecar.address);
});

afterAll(async () => {
  client?.close();
  await sidecar?.stop();
  await redis?.stop();
});

interface Answers {
  /** Value of `decidedBy` in a check of a new subject, or the error message if the check failed. */
  limit: number | string;
  allowed: boolean;
  createSession: number;
  createText: string;
  cacheSet: number;
  cacheGet: number;
}

let subject = 0;

async function ask(): Promise<Answers> {
  subject += 1;
  const limits = [{ name: 'a', algorithm: 'ALGORITHM_FIXED_WINDOW', limit: 5, windowMs: 60_000 }] as const;
  const limit = await client.checkRateLimit({ key: `subject-${subject}`, limits: [...limits] });
  const session = await client.createSession({});
  const set = await client.cacheSet({ key: Buffer.from('key'), value: Buffer.from('value') });
  const get = await client.cacheGet({ key: Buffer.from('key') });
  return {
    limit: limit.ok ? limit.response.decidedBy : limit.details,
    allowed: limit.ok && limit.response.allowed,
    createSession: session.ok ? 0 : session.code,
    createText: session.ok ? '' : session.details,
    cacheSet: set.ok ? 0 : set.code,
    cacheGet: get.ok ? get.response.outcome : -1,
  };
}

async function expectServiceAsBefore(): Promise<void> {
  await waitFor('normal service', async () => {
    const answers = await ask();
    return answers.limit === DECIDED_BY_STORE && answers.createSession === 0 && answers.cacheSet === 0;
  });
}

test('out of memory with noeviction: rejects writes with the reason, and serves reads', async () => {
  await ask();
  await redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
  await waitFor('Redis to run out of memory', async () => (await ask()).createSession !== 0);
  const answers = await ask();
  expect(answers).toMatchObject({
    limit: DECIDED_BY_FAILURE_MODE,
    allowed: true,
    createSession: UNAVAILABLE,
    cacheSet: UNAVAILABLE,
  });
  expect(answers.createText).toMatch(/maxmemory/);
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
  await expectServiceAsBefore();
});

test('read-only: the master became a replica', async () => {
  await redis.command('REPLICAOF', '127.0.0.1', '1');
  await waitFor('Redis to be read-only', async () => (await ask()).createSession !== 0);
  const answers = await ask();
  expect(answers).toMatchObject({ limit: DECIDED_BY_FAILURE_MODE, createSession: UNAVAILABLE, cacheSet: UNAVAILABLE });
  await redis.command('REPLICAOF', 'NO', 'ONE');
  await expectServiceAsBefore();
});

test('NOREPLICAS: too few replicas for a write', async () => {
  await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1');
  await waitFor('Redis to reject writes', async () => (await ask()).createSession !== 0);
  expect(await ask()).toMatchObject({
    limit: DECIDED_BY_FAILURE_MODE,
    createSession: UNAVAILABLE,
    cacheSet: UNAVAILABLE,
  });
  await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0');
  await expectServiceAsBefore();
});

test('LOADING: Redis loads its data', async () => {
  for (let index = 0; index < 300; index += 1) {
    await redis.command('SET', `filler-${index}`, 'x', 'PX', '600000');
  }
  await redis.command('CONFIG', 'SET', 'loading-process-events-interval-bytes', '1024');
  // Loading takes 10 ms per key, and therefore several seconds in total. While the server loads its data, it replies
  // with -LOADING.
  await redis.command('CONFIG', 'SET', 'key-load-delay', '10000');
  const reloaded = redis.command('DEBUG', 'RELOAD').catch(() => undefined);
  // A call that is in flight when the server starts to load may end with UNKNOWN, but the result of every later call is
  // deterministic.
  const answers = await waitFor('Redis to answer LOADING', async () => {
    const seen = await ask();
    return seen.createSession === UNAVAILABLE ? seen : undefined;
  });
  expect([OUTCOME_UNAVAILABLE, 2]).toContain(answers.cacheGet);
  await redis.command('CONFIG', 'SET', 'key-load-delay', '0').catch(() => undefined);
  await reloaded;
  await redis.command('CONFIG', 'SET', 'key-load-delay', '0');
  await expectServiceAsBefore();
}, 60_000);
