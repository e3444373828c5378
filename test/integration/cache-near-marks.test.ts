/**
 * Tests that the near cache compares the bucket position in each reply of a real Redis with the received messages. If
 * the position contradicts the messages, the sidecar does not cache the result of the read. The sidecar also
 * invalidates the bucket, long before a probe would detect the contradiction.
 */
import { randomBytes } from 'node:crypto';
import { bucketOf } from '../../src/lib/key-hash.ts';
import { type CacheSidecar, keyspace, startCacheSidecar } from '../support/cache/redis.ts';
import { callContext, getRequest } from '../support/cache/requests.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';

const KEY = Buffer.from('key');
const SEQUENCE = keyspace.cacheSequence('n', bucketOf(KEY));
const NEAR = 1;
/** Number of rounds. A probe may run between the change and the read of one round, but not in every round. */
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

/**
 * Replaces the last change in the ring with a change from another history, which has the same number but a different
 * stamp.
 */
async function changeStamp(): Promise<void> {
  const number = String(await node.command('HGET', SEQUENCE, 'n'));
  const text = `redis.call('HSET', KEYS[1], ARGV[1] % 64, struct.pack('>I8', ARGV[1]) .. 'hash----' .. ARGV[2])`;
  await node.command('EVAL', text, '1', SEQUENCE, number, randomBytes(4).toString('hex'));
}

/** Removes the last change from the ring. */
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

/** Creates a near-cache entry whose mark matches a message that this sidecar has received. */
async function createEntry(round: number): Promise<void> {
  await sidecar.set('key', `v${round}-1`);
  await sidecar.warm('key');
  await sidecar.set('key', `v${round}-2`);
  await sidecar.warm('key');
  sidecar.flushes.length = 0;
}

test.each(READS)(
  'a %s that returns another stamp than the message is not cached, and invalidates the bucket',
  async (_, read) => {
    let notKept = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      await createEntry(round);
      await changeStamp();
      await read();
      notKept += (await sourceOfNextGet()) === NEAR ? 0 : 1;
      expect(sidecar.flushes).toContain('gap');
    }
    expect(notKept).toBeGreaterThan(ROUNDS / 2);
  },
);

test.each(READS)('a %s of a bucket whose ring lacks its last number is not cached', async (_, read) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    await createEntry(round);
    await forgetChange();
    await read();
    expect(await sourceOfNextGet()).not.toBe(NEAR);
  }
});
