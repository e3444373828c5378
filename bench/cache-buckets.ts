/**
 * Measures alternatives for the layout of the cache's buckets (docs/internals/cache-formats.md). The alternatives differ in the hash that selects a
 * key's bucket, in the number of buckets per namespace, and in whether tags share the buckets of keys. Also compares the cost per key of CacheGetMany
 * with that of CacheGet.
 *
 * The program measures the CPU time of the Redis process, and the CPU time of the sidecar, or of this process if no sidecar runs. Values are medians
 * of interleaved rounds. Absolute figures depend on the machine, so compare only figures from the same run.
 */
import { createHash } from 'node:crypto';
import calculateSlot from 'cluster-key-slot';
import { bucketOf, keyHash } from '../src/lib/key-hash.ts';
import { loadScript } from '../src/redis/lua-script.ts';
import type { Redis } from '../src/redis/redis.ts';
import { openRedis, soonMs } from '../test/support/redis/client.ts';
import { connectPannier, type PannierClient } from '../test/support/sidecar/pannier-client.ts';
import { AS_IN_A_CONTAINER, startSidecar } from '../test/support/sidecar/sidecar.ts';
import { waitFor } from '../test/support/wait.ts';
import { readArguments } from './arguments.ts';
import { type LayoutPlan, share } from './cache-buckets-model.ts';
import { cpuMicroseconds, median } from './process-stats.ts';
import { type BenchServer, startRedisServer } from './servers.ts';

const HELP = `node bench/cache-buckets.ts [--rounds <n>]

Compares hashes for the bucket of a key, 64 and 256 buckets per namespace, separate and shared buckets for tags, and CacheGetMany with CacheGet.
Requires redis-server and the built program (make build).

  --rounds <n>  number of rounds of each measurement, between 3 and 1000 (default 15)
`;

interface Options {
  readonly rounds: number;
}

const PLANS: readonly LayoutPlan[] = [
  { buckets: 64, areTagsShared: false },
  { buckets: 64, areTagsShared: true },
  { buckets: 256, areTagsShared: false },
  { buckets: 256, areTagsShared: true },
];
const KEYS = Array.from({ length: 256 }, (_, index) => Buffer.from(`product:${1_000_000 + index}:details`));
const SCRIPTS = 'src/cache/scripts';
const readMany = loadScript('read-many', [`${SCRIPTS}/entry-common.lua`, `${SCRIPTS}/read-many.lua`], 'read');
const flush = loadScript('flush', [`${SCRIPTS}/change-common.lua`, `${SCRIPTS}/flush.lua`], 'write_in_place');
const EVERY_KEY = Buffer.alloc(8, 0xff);

function parse(args: readonly string[]): Options | undefined {
  if (args.includes('--help')) {
    return undefined;
  }
  const at = args.indexOf('--rounds');
  const rounds = at === -1 ? 15 : Number(args[at + 1]);
  if (args.length !== (at === -1 ? 0 : 2) || !Number.isInteger(rounds) || rounds < 3 || rounds > 1_000) {
    throw new Error(`arguments must be --rounds and an integer between 3 and 1000, got ${args.join(' ')}`);
  }
  return { rounds };
}

function print(title: string, heads: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  process.stdout.write(`\n## ${title}\n\n| ${heads.join(' | ')} |\n|${heads.map(() => '---').join('|')}|\n`);
  for (const row of rows) {
    process.stdout.write(`| ${row.join(' | ')} |\n`);
  }
}

function rounded(value: number, digits = 1): string {
  return value.toFixed(digits);
}

/** Returns the minimum CPU time per call of `compute` in all rounds, in ns. Other load on the machine can only increase the CPU time. */
function nanoseconds(rounds: number, compute: (key: Buffer) => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    for (let turn = 0; turn < 200; turn += 1) {
      for (const key of KEYS) {
        compute(key);
      }
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1_000) / (200 * KEYS.length));
  }
  return best;
}

function benchHash(rounds: number): void {
  const computations: readonly [string, (key: Buffer) => unknown][] = [
    ['first byte of the SHA-1', (key) => createHash('sha1').update(key).digest()[0]],
    ['bucketOf: one lane', (key) => bucketOf(key)],
    ['keyHash: both lanes, 8 bytes', (key) => keyHash(key)],
  ];
  const rows = computations.map(([name, compute]) => [name, rounded(nanoseconds(rounds, compute), 0)]);
  print(`Hash of a key of ${KEYS[0]?.length} bytes`, ['computation', 'ns of CPU'], rows);
}

/** Runs the steps alternately, each `rounds` times. Returns the median CPU time of Redis and of this process in microseconds. */
async function compare(
  server: BenchServer,
  rounds: number,
  steps: readonly (() => Promise<unknown>)[],
): Promise<{ redis: number; own: number }[]> {
  const redis: number[][] = steps.map(() => []);
  const own: number[][] = steps.map(() => []);
  for (let round = 0; round < rounds + 2; round += 1) {
    for (const [index, step] of steps.entries()) {
      const redisBefore = cpuMicroseconds(server.pid);
      const ownBefore = process.cpuUsage();
      await step();
      const { user, system } = process.cpuUsage(ownBefore);
      // The first rounds are a warm-up.
      if (round >= 2) {
        redis[index]?.push(cpuMicroseconds(server.pid) - redisBefore);
        own[index]?.push(user + system);
      }
    }
  }
  return steps.map((_, index) => ({ redis: median(redis[index] ?? []), own: median(own[index] ?? []) }));
}

function sequenceOf(plan: LayoutPlan, bucket: string): string {
  return `cache-seq:{${plan.buckets}${plan.areTagsShared ? 's' : ''}:${bucket}}`;
}

/** Returns the names of all buckets, including those of tags. */
function bucketsOf(plan: LayoutPlan): string[] {
  const names = Array.from({ length: plan.buckets }, (_, bucket) => String(bucket));
  return plan.areTagsShared ? names : [...names, ...names.map((name) => `t${name}`)];
}

/** Fills the rings of all buckets, and stores the keys. */
async function fill(redis: Redis, plan: LayoutPlan): Promise<void> {
  const ring = Array.from({ length: 64 }, (_, field) => [String(field), Buffer.alloc(24, field)]).flat();
  for (const bucket of bucketsOf(plan)) {
    const sequence = sequenceOf(plan, bucket);
    await redis.send(sequence, ['HSET', sequence, 'inc', '12345678', 'n', '1000', ...ring], soonMs());
  }
  for (const key of KEYS) {
    const header = Buffer.alloc(41);
    header.write('12345678', 3, 'latin1');
    header.set([1, 0, 41]);
    header[18] = 1;
    const name = entryOf(plan, key);
    await redis.send(name, ['SET', name, Buffer.concat([header, Buffer.alloc(100)])], soonMs());
  }
}

function entryOf(plan: LayoutPlan, key: Buffer): string {
  return `${sequenceOf(plan, String(bucketOf(key, plan.buckets)))}:${key}`;
}

async function barrier(redis: Redis, plan: LayoutPlan): Promise<void> {
  await Promise.all(
    bucketsOf(plan).map((bucket) => {
      const sequence = sequenceOf(plan, bucket);
      return redis.send(sequence, ['HMGET', sequence, 'inc', 'n', '40'], soonMs());
    }),
  );
}

async function getMany(redis: Redis, plan: LayoutPlan): Promise<void> {
  const byBucket = Map.groupBy(KEYS, (key) => bucketOf(key, plan.buckets));
  const replies = await Promise.all(
    [...byBucket].map(([bucket, keys]) => {
      const names = [sequenceOf(plan, String(bucket)), ...keys.map((key) => entryOf(plan, key))];
      return redis.run(readMany, names, ['14000'], soonMs());
    }),
  );
  const found = replies.flatMap((reply) => (Array.isArray(reply) ? reply.slice(3).filter(Buffer.isBuffer) : []));
  if (found.length !== KEYS.length) {
    throw new Error(`cannot measure CacheGetMany: only ${found.length} of ${KEYS.length} keys were found`);
  }
}

async function flushAll(redis: Redis, plan: LayoutPlan): Promise<void> {
  await Promise.all(
    Array.from({ length: plan.buckets }, (_, bucket) => {
      // Uses a separate namespace, so that the entries of the other measurements stay valid.
      const names = [sequenceOf(plan, `f${bucket}`), `cache-inv:{${sequenceOf(plan, `f${bucket}`).slice(11, -1)}}`];
      return redis.run(flush, names, [EVERY_KEY, Buffer.alloc(8, 1)], soonMs());
    }),
  );
}

async function watch(redis: Redis, plan: LayoutPlan): Promise<void> {
  const live = new Set<string>();
  const subscriber = redis.createSubscriber({
    onMessage: () => undefined,
    onLive: (channel) => live.add(channel),
    onLost: () => undefined,
  });
  const channels = bucketsOf(plan).map((bucket) => `cache-inv:{${plan.buckets}:${bucket}}`);
  for (const channel of channels) {
    subscriber.subscribe(channel);
  }
  await waitFor('the watch to be live', () => live.size === channels.length);
  subscriber.close();
}

async function ringBytes(redis: Redis, plan: LayoutPlan): Promise<string> {
  const sequence = sequenceOf(plan, '0');
  const bytes = Number(await redis.send(sequence, ['MEMORY', 'USAGE', sequence], soonMs()));
  const encoding = String(await redis.send(sequence, ['OBJECT', 'ENCODING', sequence], soonMs()));
  return `${bytes} (${encoding}), ${rounded((bytes * bucketsOf(plan).length) / 1_024, 0)} KiB per namespace`;
}

/** Returns the average share of keys on the busiest of 6 masters, over 1,000 namespaces. */
function busiestShare(plan: LayoutPlan): number {
  let sum = 0;
  for (let namespace = 0; namespace < 1_000; namespace += 1) {
    const counts = new Array<number>(6).fill(0);
    for (let bucket = 0; bucket < plan.buckets; bucket += 1) {
      const master = Math.floor((calculateSlot(`cache-seq:{n${namespace}:${bucket}}`) * 6) / 16_384);
      counts[master] = (counts[master] ?? 0) + 1;
    }
    sum += Math.max(...counts) / plan.buckets;
  }
  return sum / 1_000;
}

async function benchLayouts(server: BenchServer, rounds: number): Promise<void> {
  const redis = await openRedis(`redis://${server.address}`);
  for (const plan of PLANS) {
    await fill(redis, plan);
  }
  const actions = { barrier, getMany, flush: flushAll, watch };
  const results: Record<string, { redis: number; own: number }[]> = {};
  for (const [name, action] of Object.entries(actions)) {
    const steps = PLANS.map((plan) => () => action(redis, plan));
    results[name] = await compare(server, rounds, steps);
  }
  const cell = (name: string, index: number): string => {
    const { redis: atRedis, own } = results[name]?.[index] ?? { redis: 0, own: 0 };
    return `${rounded(atRedis, 0)} + ${rounded(own, 0)}`;
  };
  const heads = [
    'measurement',
    ...PLANS.map((plan) => `${plan.buckets}, tags ${plan.areTagsShared ? 'shared' : 'apart'}`),
  ];
  const named = { barrier: 'barrier, all live', getMany: 'CacheGetMany, 256 keys', flush: 'flush', watch: 'watch' };
  const rows = Object.entries(named).map(([name, title]) => [title, ...PLANS.map((_, index) => cell(name, index))]);
  rows.push(['subscriptions of a watch', ...PLANS.map((plan) => String(bucketsOf(plan).length))]);
  rows.push(['full ring, bytes', ...(await Promise.all(PLANS.map((plan) => ringBytes(redis, plan))))]);
  rows.push(['busiest of 6 masters', ...PLANS.map((plan) => `${rounded(busiestShare(plan) * 100, 0)} %`)]);
  for (const rate of [1_000, 2_000, 4_000, 8_000]) {
    const shares = PLANS.map((plan) => {
      const { formula, simulated } = share({ plan, writesPerSecond: rate, loadSeconds: 2, ringSize: 64 });
      return `${rounded(formula * 100, 2)} % (${rounded(simulated * 100, 2)})`;
    });
    rows.push([`fills rejected at ${rate} writes/s with loads of 2 s`, ...shares]);
  }
  print('Buckets (us of CPU: Redis + sidecar)', heads, rows);
  redis.close();
}

async function oneByOne(client: PannierClient): Promise<void> {
  for (const key of KEYS) {
    await client.cacheGet({ key });
  }
}

async function benchReads(server: BenchServer, rounds: number): Promise<void> {
  const sidecar = await startSidecar({ PANNIER_REDIS_URL: `redis://${server.address}` }, AS_IN_A_CONTAINER);
  const client: PannierClient = connectPannier(sidecar.address);
  const setAll = async (tags: string[]): Promise<boolean> => {
    const ends = await Promise.all(
      KEYS.map((key) => client.cacheSet({ key, value: Buffer.alloc(100, 'v'), ttlMs: 600_000, tags })),
    );
    return ends.every((end) => end.ok);
  };
  const rows: string[][] = [];
  for (const tags of [[], Array.from({ length: 16 }, (_, index) => `tag-${index}`)]) {
    await waitFor('all keys to be stored', () => setAll(tags));
    const measure = async (step: () => Promise<unknown>): Promise<{ redis: number; own: number }> => {
      const redisBefore = cpuMicroseconds(server.pid);
      const ownBefore = cpuMicroseconds(sidecar.pid);
      await step();
      const own = (cpuMicroseconds(sidecar.pid) - ownBefore) / KEYS.length;
      return { redis: (cpuMicroseconds(server.pid) - redisBefore) / KEYS.length, own };
    };
    const calls: readonly [string, () => Promise<unknown>][] = [
      ['CacheGet, one by one', () => oneByOne(client)],
      ['CacheGet, 256 at once', () => Promise.all(KEYS.map((key) => client.cacheGet({ key })))],
      ['CacheGetMany, 256 keys', () => client.cacheGetMany({ keys: KEYS })],
    ];
    const samples = calls.map((): { redis: number; own: number }[] => []);
    for (let round = 0; round < rounds * 4 + 30; round += 1) {
      for (const [index, [, step]] of calls.entries()) {
        const sample = await measure(step);
        if (round >= 30) {
          samples[index]?.push(sample);
        }
      }
    }
    for (const [index, [name]] of calls.entries()) {
      const own = median((samples[index] ?? []).map((sample) => sample.own));
      const redis = median((samples[index] ?? []).map((sample) => sample.redis));
      rows.push([`${name}, ${tags.length} tags`, rounded(own), rounded(redis)]);
    }
  }
  print('Reads of 100 bytes (us of CPU per key)', ['call', 'sidecar', 'Redis'], rows);
  client.close();
  await sidecar.stop();
}

const options = readArguments(parse, HELP);
const server = await startRedisServer();
if (server === undefined) {
  process.stderr.write('cannot start redis-server: not found; install Redis 7.0 or later\n');
  process.exit(1);
}
benchHash(options.rounds);
await benchLayouts(server, options.rounds);
await benchReads(server, options.rounds);
await server.stop();
process.exit(0);
