/**
 * Tests thousands of limit names on one key. The cost of a call in Redis does not depend on the number of names,
 * whether the call is served or rejected.
 */
import type { LimitSpec } from '../../src/config/policy-file.ts';
import { compileLimits } from '../../src/rate-limit/model.ts';
import { RedisRateLimitStore } from '../../src/rate-limit/redis-store.ts';
import { MAX_FIELDS } from '../../src/rate-limit/store.ts';
import { createKeyspace } from '../../src/redis/keyspace.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, PATIENT, soonMs } from '../support/redis/client.ts';
import { monitored } from '../support/redis/monitor.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

const HOUR_MS = 3_600_000;
const CALLS = 200;
/** Commands that read or copy every field of a hash. */
const WHOLE_HASH = ['hgetall', 'hkeys', 'hvals'];
/**
 * Maximum number of fields that a call with a new name scans with HSCAN. This maximum does not depend on the number of
 * names.
 */
const MAX_FIELDS_EXAMINED = 20;

let server: RedisNode;
let redis: Redis;
let store: RedisRateLimitStore;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, PATIENT);
  store = new RedisRateLimitStore({ redis, keyspace: createKeyspace('test:') });
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

function limit(name: string): LimitSpec {
  return { name, algorithm: 'fixed_window', limit: 1_000_000, windowMs: 24 * HOUR_MS, burst: 1_000_000 };
}

/** Returns whether the call was served. */
async function take(subject: string, name: string): Promise<boolean> {
  const key = { scope: 's', policy: '', subject };
  const request = { key, limits: compileLimits([limit(name)]), cost: 1, maxDelayMs: undefined };
  try {
    return (await store.take(request, soonMs(20_000))).allowed;
  } catch (error) {
    expect(error).toMatchObject({ kind: 'full' });
    return false;
  }
}

async function fill(subject: string, count: number): Promise<void> {
  for (let done = 0; done < count; done += 100) {
    const names = Array.from({ length: Math.min(100, count - done) }, (_, index) => `n${done + index}`);
    await Promise.all(names.map((name) => take(subject, name)));
  }
}

/**
 * Numbers of operations that the scripts executed for all `CALLS` calls together. The test does not measure durations,
 * because they differ between machines.
 */
interface Cost {
  readonly served: number;
  readonly wholeReads: number;
  readonly scans: number;
  /** Sum of the COUNT arguments of HSCAN. */
  readonly fieldsExamined: number;
  readonly commands: number;
}

async function costOf(call: (index: number) => Promise<boolean>): Promise<Cost> {
  let served = 0;
  const text = await monitored(server, async () => {
    for (let index = 0; index < CALLS; index += 1) {
      served += (await call(index)) ? 1 : 0;
    }
  });
  const commands = commandsOfScripts(text);
  const scans = commands.filter(([name]) => name === 'hscan');
  return {
    served,
    wholeReads: commands.filter(([name = '']) => WHOLE_HASH.includes(name)).length,
    scans: scans.length,
    fieldsExamined: scans.reduce((sum, words) => sum + countOf(words), 0),
    commands: commands.length,
  };
}

/** Returns the words of each command that a script executed, with the name of the command in lower case. */
function commandsOfScripts(text: string): string[][] {
  const lines = text.split('\r\n').filter((line) => / lua\] /.test(line));
  return lines.map((line) => {
    const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => word);
    return [String(words[0]).toLowerCase(), ...words.slice(1)];
  });
}

/** Returns the COUNT argument of an HSCAN command, or NaN if there is none. NaN fails every comparison with a bound. */
function countOf(words: readonly string[]): number {
  return Number(words[words.indexOf('COUNT') + 1]);
}

test('scans a bounded number of fields for a new name among 4,000 names', async () => {
  await fill('many', 4_000 - CALLS);
  const known = await costOf(() => take('many', 'n0'));
  const fresh = await costOf((index) => take('many', `fresh${index}`));
  expect(known).toMatchObject({ served: CALLS, wholeReads: 0, fieldsExamined: 0 });
  expect(fresh).toMatchObject({ served: CALLS, wholeReads: 0 });
  expect(fresh.scans).toBeLessThanOrEqual(2 * CALLS);
  expect(fresh.fieldsExamined).toBeGreaterThan(0);
  expect(fresh.fieldsExamined).toBeLessThanOrEqual(MAX_FIELDS_EXAMINED * CALLS);
  expect(fresh.commands).toBeLessThanOrEqual(5 * known.commands);
}, 60_000);

test('a call that is rejected for its names costs no more than one that is served', async () => {
  await fill('full', MAX_FIELDS - CALLS);
  const served = await costOf((index) => take('full', `served${index}`));
  const overflow = await costOf((index) => take('full', `over${index}`));
  expect(served.served).toBe(CALLS);
  // The script accepts one more name, because it counts the fields before it writes the new field.
  expect(overflow.served).toBeLessThanOrEqual(1);
  expect(overflow.wholeReads).toBe(0);
  expect(overflow.scans).toBeLessThanOrEqual(2 * CALLS);
  expect(overflow.fieldsExamined).toBeLessThanOrEqual(MAX_FIELDS_EXAMINED * CALLS);
  expect(overflow.commands).toBeLessThanOrEqual(served.commands);
  expect(await take('full', 'n0')).toBe(true);
}, 60_000);

test('a reset by name costs the same for any number of other names', async () => {
  await fill('reset', 3_000);
  const key = { scope: 's', policy: '', subject: 'reset' };
  const cost = await costOf(async (index) => await store.reset(key, compileLimits([limit(`n${index}`)]), soonMs()));
  expect(cost).toMatchObject({ served: CALLS, wholeReads: 0, scans: 0, fieldsExamined: 0 });
  expect(await server.command('HLEN', 'test:rl:{s||reset}')).toBe(3_000 - CALLS);
}, 60_000);

test('a full key accepts new names again after old ones have expired', async () => {
  const key = { scope: 's', policy: '', subject: 'ended' };
  async function takeFor(name: string, windowMs: number): Promise<boolean> {
    const limits = compileLimits([{ ...limit(name), windowMs }]);
    const request = { key, limits, cost: 1, maxDelayMs: undefined };
    return (await store.take(request, soonMs(20_000))).allowed;
  }
  // Half of the names expire within 2 s, which is the sum of their window and an additional second.
  for (let done = 0; done <= MAX_FIELDS; done += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, MAX_FIELDS + 1 - done) }, (_, index) =>
        takeFor(`n${done + index}`, index % 2 === 0 ? 1_000 : HOUR_MS),
      ),
    );
  }
  const startMs = performance.now();
  let names = 0;
  while (names < 1_000) {
    const isServed = await takeFor(`later${names}`, HOUR_MS).catch(() => false);
    names += isServed ? 1 : 0;
    if (performance.now() - startMs > 50_000) {
      throw new Error(`cannot add names to a key of which half has expired: ${names} of 1000 were added`);
    }
  }
  expect(await server.command('HLEN', 'test:rl:{s||ended}')).toBeLessThanOrEqual(MAX_FIELDS + 1);
}, 90_000);
