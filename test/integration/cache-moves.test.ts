/**
 * Tests the cache while one of its slots moves to another master. The tests cover reads and writes during the
 * migration. Further tests cover the near cache and a watch after the migration.
 */
import { bucketOf } from '../../src/lib/key-hash.ts';
import { type CacheSidecar, keyspace, startCacheSidecar } from '../support/cache/redis.ts';
import { callContext, TestStream } from '../support/cache/requests.ts';
import { type RedisCluster, startCluster } from '../support/redis/cluster.ts';
import type { RedisNode } from '../support/redis/server.ts';
import { migrateSlot, slotOf } from '../support/redis/slot-migration.ts';
import { waitFor } from '../support/wait.ts';

const OUTCOME_UNAVAILABLE = 5;
const KEY = 'key';
const CHANNEL = keyspace.cacheChannel('n', bucketOf(KEY));

let cluster: RedisCluster;
let reader: CacheSidecar;
let writer: CacheSidecar;

beforeAll(async () => {
  cluster = await startCluster();
  reader = await startCacheSidecar(cluster.urls, { nearLifeMs: 60_000 });
  writer = await startCacheSidecar(cluster.urls);
});

afterAll(async () => {
  reader?.close();
  writer?.close();
  await cluster?.stop();
});

test('reads entries while their slot moves, then drops near-cache entries and reports a flush to watches', async () => {
  const source = cluster.masterOf(CHANNEL);
  const target = cluster.masters().find((node) => node.port !== source.port) as RedisNode;
  const migration = migrateSlot({ slot: slotOf(CHANNEL), source, target, cluster });
  await writer.set(KEY, 'v1');
  await reader.warm(KEY);
  const call = callContext({ leftMs: 60_000 });
  const stream = new TestStream(call);
  const watching = reader.service.handlers.WatchInvalidations({ namespace: 'n' }, call, stream);
  await waitFor('the start', () => stream.watchId > 0);

  await migration.begin();
  expect(await writer.get(KEY)).toMatchObject({ value: 'v1' });
  await expect(writer.set(KEY, 'v2')).rejects.toMatchObject({ kind: 'unavailable', serverCode: 'TRYAGAIN' });
  const other = sameBucket();
  expect((await writer.get(other)).response.outcome).toBe(OUTCOME_UNAVAILABLE);
  await migration.moveKeys();
  expect(await writer.get(KEY)).toMatchObject({ value: 'v1' });
  await migration.finish();

  const before = stream.events.length;
  await waitFor('a write at the new master', () =>
    writer.set(KEY, 'v2').then(
      () => true,
      () => false,
    ),
  );
  await waitFor('the new value', async () => (await reader.get(KEY)).value === 'v2');
  await waitFor('a current watch', async () => {
    const { validForMs } = await reader.service.handlers.ConfirmInvalidations(
      { watchId: stream.watchId },
      callContext(),
    );
    return validForMs === 500;
  });
  expect(stream.events.slice(before)).toContain('flush');
  await writer.set(KEY, 'v3');
  await waitFor('the event', () => stream.events.includes(`key ${KEY}`));
  call.end();
  await watching;
}, 60_000);

/** Returns another key of the same bucket, and therefore of the same slot. */
function sameBucket(): string {
  const candidates = Array.from({ length: 2_000 }, (_, index) => `other-${index}`);
  return candidates.find((candidate) => bucketOf(candidate) === bucketOf(KEY)) ?? '';
}
