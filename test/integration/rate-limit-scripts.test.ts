/**
 * Tests the rate limit scripts on a real Redis. The number of scripts does not depend on the number of policies, and
 * the sidecar loads each script once. No unit is counted twice or lost while the script cache is flushed.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { ALGORITHMS } from '../../src/rate-limit/algorithms/algorithm.ts';
import { type CompiledLimits, compileLimits } from '../../src/rate-limit/model.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, soonMs } from '../support/redis/client.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

const HOUR_MS = 3_600_000;
const POLICIES = 600;
const SERVICES = 6;
const POLICIES_PER_SERVICE = 100;
const ROUNDS = 4;

interface Policy {
  readonly name: string;
  readonly limits: CompiledLimits;
}

interface Service {
  readonly redis: Redis;
  readonly store: RedisRateLimitStore;
}

let server: RedisNode;
const opened: Redis[] = [];

beforeEach(async () => {
  server = await startRedis();
}, 60_000);

afterEach(async () => {
  for (const redis of opened.splice(0)) {
    redis.close();
  }
  await server?.stop();
});

async function openService(): Promise<Service> {
  const redis = await openRedis(server.url, { commandTimeoutMs: 10_000 });
  opened.push(redis);
  return { redis, store: new RedisRateLimitStore({ redis, keyspace: createKeyspace('test:') }) };
}

/**
 * Returns a policy. The index selects the limits of the policy: one limit of an algorithm, several limits, or several
 * limits with a log. No two policies have the same limit, window and burst.
 */
function createPolicy(index: number): Policy {
  const shape = index % (ALGORITHMS.length + 2);
  const algorithms =
    shape < ALGORITHMS.length
      ? [ALGORITHMS[shape]?.name ?? 'fixed_window']
      : (['fixed_window', shape === ALGORITHMS.length ? 'token_bucket' : 'sliding_window_log'] as const);
  const specs = algorithms.map((algorithm, at): LimitSpec => {
    return { name: `limit-${at}`, algorithm, limit: 1_000 + index, windowMs: HOUR_MS + index, burst: 1_000 + index };
  });
  return { name: `policy-${index}`, limits: compileLimits(specs) };
}

async function takeFrom({ store }: Service, { name, limits }: Policy): Promise<void> {
  const key = { scope: 's', policy: name, subject: 'x' };
  const { allowed } = await store.take({ key, limits, cost: 1, maxDelayMs: undefined }, soonMs(20_000));
  expect(allowed).toBe(true);
}

async function infoNumber(section: string, pattern: RegExp): Promise<number> {
  return Number(pattern.exec(String(await server.command('INFO', section)))?.[1] ?? 0);
}

function cachedScripts(): Promise<number> {
  return infoNumber('memory', /^number_of_cached_scripts:(\d+)/m);
}

/**
 * Returns the number of calls that contained the source of a script, plus the number of calls that failed because the
 * server did not have the script.
 */
async function loads(): Promise<number> {
  let sum = await infoNumber('errorstats', /^errorstat_NOSCRIPT:count=(\d+)/m);
  for (const command of ['eval', 'eval_ro', 'script\\|load']) {
    sum += await infoNumber('commandstats', new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm'));
  }
  return sum;
}

test(`${POLICIES} policies load as many scripts as one policy of each shape, and none is sent after the first round`, async () => {
  const service = await openService();
  const policies = Array.from({ length: POLICIES }, (_, index) => createPolicy(index));
  const shapes = ALGORITHMS.length + 2;
  for (const policy of policies.slice(0, shapes)) {
    await takeFrom(service, policy);
  }
  const scripts = await cachedScripts();
  const loaded = await loads();
  expect(scripts).toBeGreaterThan(0);
  expect(scripts).toBeLessThanOrEqual(shapes);
  for (let round = 0; round < 2; round += 1) {
    await Promise.all(policies.map((policy) => takeFrom(service, policy)));
  }
  expect(await cachedScripts()).toBe(scripts);
  expect(await loads()).toBe(loaded);
});

test('600 fixed windows load one script, as does one', async () => {
  const service = await openService();
  const before = await cachedScripts();
  await takeFrom(service, createPolicy(0));
  expect(await cachedScripts()).toBe(before + 1);
  for (let index = 0; index < POLICIES; index += 1) {
    await takeFrom(service, createPolicy(index * (ALGORITHMS.length + 2)));
  }
  expect(await cachedScripts()).toBe(before + 1);
});

test(`${SERVICES} services with ${POLICIES_PER_SERVICE} policies each: no script is unknown after the first round`, async () => {
  const services = await Promise.all(Array.from({ length: SERVICES }, openService));
  let loaded = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let index = 0; index < POLICIES_PER_SERVICE; index += 1) {
      await Promise.all(
        services.map((service, at) => takeFrom(service, createPolicy(at * POLICIES_PER_SERVICE + index))),
      );
    }
    if (round === 0) {
      loaded = await loads();
    }
  }
  expect(await loads()).toBe(loaded);
}, 60_000);

test('30 SCRIPT FLUSH during calls of 16 callers: the units granted equal those counted by Redis', async () => {
  const service = await openService();
  const limits = compileLimits([
    { name: 'a', algorithm: 'fixed_window', limit: 100_000, windowMs: 400 * 24 * HOUR_MS, burst: 100_000 },
  ]);
  const key = { scope: 's', policy: 'p', subject: 'x' };
  let isOver = false;
  let taken = 0;
  async function call(): Promise<void> {
    while (!isOver) {
      const { allowed } = await service.store.take({ key, limits, cost: 1, maxDelayMs: undefined }, soonMs(20_000));
      taken += allowed ? 1 : 0;
    }
  }
  const callers = Array.from({ length: 16 }, call);
  for (let flush = 0; flush < 30; flush += 1) {
    const before = taken;
    await server.command('SCRIPT', 'FLUSH');
    while (taken < before + 16) {
      await service.redis.send('any', ['GET', 'any'], soonMs(20_000));
    }
  }
  isOver = true;
  await Promise.all(callers);
  const peek = await service.store.take({ key, limits, cost: 0, maxDelayMs: undefined }, soonMs(20_000));
  expect(taken).toBeGreaterThanOrEqual(464);
  expect(100_000 - (peek.outcomes[0]?.remaining ?? 0)).toBe(taken);
}, 60_000);
