/**
 * The position of a bucket that a read brings from a real Redis reaches the near copies: a read that shows another history than the messages
 * did leaves no copy and invalidates the bucket at once, long before a probe would find out.
 */
import { randomBytes } from 'node:crypto';
import { bucketOf } from '../../src/lib/key-hash.ts';
import { type CacheSidecar, keyspace, startCacheSidecar } from '../support/cache/redis.ts';
import { callContext, getRequest } from '../support/cache/requests.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

const KEY = Buffer.from('key');
const SEQUENCE = keyspace.cacheSequence('n', bucketOf(KEY));
const NEAR = 1;
/** A probe may come between a change and the read after it, and show the change first; not in each round. */
const ROUNDS = 4;

let node: RedisNode;
let sidecar: CacheSidecar;

beforeEach(async () => {
  node = await startRedis();
  sidecar = await startCacheSidecar(node.url, { nearLifeMs: 600_000 });
});

afterEach(async () => {
  sidecar.close();
  await node.stop();
});

/** The change that the ring shows last becomes one of another history: same number, other stamp. */
async function changeStamp(): Promise<void> {
  const number = String(await node.command('HGET', SEQUENCE, 'n'));
  const text = `redis.call('HSET', KEYS[1], ARGV[1] % 64, struct.pack('>I8', ARGV[1]) .. 'hash----' .. ARGV[2])`;
  await node.command('EVAL', text, '1', SEQUENCE, number, randomBytes(4).toString('hex'));
}

/** The ring forgets the change that it shows last. */
async function forgetChange(): Promise<void> {
  const number = Number(await node.command('HGET', SEQUENCE, 'n'));
  await node.command('HDEL', SEQUENCE, String(number % 64));
}

const READS: readonly [string, () => Promise<unknown>][] = [
  ['CacheGet', () => sidecar.get('key', { fresh: true })],
  [
    'CacheGetMany',
    async () =>
      await sidecar.service.handlers.CacheGetMany({ namespace: 'n', keys: [KEY], fresh: true }, callContext()),
  ],
];

async function sourceOfNextGet(): Promise<unknown> {
  return (await sidecar.service.handlers.CacheGet(getRequest({ key: KEY }), callContext())).source;
}

/** A copy whose mark agrees with the message of a write that this sidecar has heard. */
async function keepCopy(round: number): Promise<void> {
  await sidecar.set('key', `v${round}-1`);
  await sidecar.warm('key');
  await sidecar.set('key', `v${round}-2`);
  await sidecar.warm('key');
  sidecar.flushes.length = 0;
}

test.each(READS)(
  'a %s that shows another stamp than the message did leaves no copy, and invalidates the bucket',
  async (_, read) => {
    let notKept = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      await keepCopy(round);
      await changeStamp();
      await read();
      notKept += (await sourceOfNextGet()) === NEAR ? 0 : 1;
      expect(sidecar.flushes).toContain('gap');
    }
    expect(notKept).toBeGreaterThan(ROUNDS / 2);
  },
);

test.each(READS)('a %s of a bucket whose ring does not show its last number leaves no copy', async (_, read) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    await keepCopy(round);
    await forgetChange();
    await read();
    expect(await sourceOfNextGet()).not.toBe(NEAR);
  }
});
