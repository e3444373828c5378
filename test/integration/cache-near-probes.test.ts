/**
 * Tests the probes of the sequences on a real Redis. If a probe finds another history, the sidecar invalidates the
 * bucket without a message. Normal traffic never causes such an invalidation.
 */
import { bucketOf } from '../../src/lib/key-hash.ts';
import { type CacheSidecar, keyspace, startCacheSidecar } from '../support/cache/redis.ts';
import { type RedisNode, startRedis } from '../support/redis/server.ts';
import { waitFor } from '../support/wait.ts';

const SEQUENCE = keyspace.cacheSequence('n', bucketOf('key'));
/** Time within which the sidecar probes every channel at least twice. */
const TRAFFIC_MS = 11_000;

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

async function sequenceNumber(): Promise<number> {
  return Number(await node.command('HGET', SEQUENCE, 'n'));
}

test.each([
  [
    'another stamp',
    async (number: number) => {
      const entry = 'redis.call("HSET", KEYS[1], ARGV[1], struct.pack(">I8I8", ARGV[2], 0) .. "another.")';
      await node.command('EVAL', entry, '1', SEQUENCE, String(number % 64), String(number));
    },
  ],
  [
    'a lower number',
    async (number: number) => {
      await node.command('HSET', SEQUENCE, 'n', String(number - 1));
    },
  ],
  [
    'a higher number',
    async (number: number) => {
      await node.command('HSET', SEQUENCE, 'n', String(number + 1));
    },
  ],
  [
    'no sequence',
    async () => {
      await node.command('DEL', SEQUENCE);
    },
  ],
] as [string, (number: number) => Promise<void>][])(
  'a probe that finds %s drops the near-cache entries of the bucket',
  async (_what, change) => {
    await sidecar.set('key', 'v1');
    await sidecar.warm('key');
    await sidecar.set('key', 'v2');
    await sidecar.warm('key');
    sidecar.flushes.length = 0;
    await change(await sequenceNumber());
    await waitFor('a flush', () => sidecar.flushes.includes('gap'), 20_000);
  },
);

test('no probe invalidates a bucket during reads and writes of all buckets', async () => {
  const keys = Array.from({ length: 500 }, (_, index) => `key-${index}`);
  const writer = await startCacheSidecar(node.url);
  const stopAtMs = performance.now() + TRAFFIC_MS;
  let writes = 0;
  const isGoing = () => performance.now() < stopAtMs;
  try {
    await Promise.all([
      (async () => {
        for (; isGoing(); writes += 1) {
          await writer.set(keys[writes % keys.length] as string, `v${writes}`, [`tag-${writes % 7}`]);
          if (writes % 50 === 0) {
            await writer.invalidate({ tags: [`tag-${writes % 7}`] });
          }
        }
      })(),
      (async () => {
        for (let read = 0; isGoing(); read += 1) {
          await sidecar.get(keys[(read * 7) % keys.length] as string);
        }
      })(),
    ]);
  } finally {
    writer.close();
  }
  expect(writes).toBeGreaterThan(keys.length);
  expect(sidecar.flushes.filter((cause) => cause === 'gap' || cause === 'lost')).toEqual([]);
}, 60_000);
