/**
 * The chunks of a sliding log and the room that other fields of the subject need: what ends is dropped, what counts stays.
 */
import type { RedisReply } from '../../src/redis/commands.ts';
import type { Redis } from '../../src/redis/redis.ts';
import { openRedis, soonMs } from '../support/redis-client.ts';
import { type RedisNode, startRedis } from '../support/redis-server.ts';
import { takeAtScript } from '../support/take-at-script.ts';

const START_MS = 3_000_000_000_000;
const WINDOW_MS = 1_000;
const LOG = ['2', '2:1000:log', '10000', String(WINDOW_MS), '10000'];

let server: RedisNode;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis();
  redis = await openRedis(server.url, { commandTimeoutMs: 10_000 });
}, 60_000);

afterAll(async () => {
  redis?.close();
  await server?.stop();
});

test('making room for a new limit leaves a log whole whose first chunk has ended', async () => {
  const key = 'room:{1}';
  await fillLog(key, 200);
  await Promise.all(Array.from({ length: 520 }, (_, index) => take(key, window(index), START_MS + 300, 1)));
  const laterMs = START_MS + 1_150;
  expect(await take(key, window(1_000), laterMs, 1)).toEqual([1, 1, 9, 0, expect.any(Number), 0, 0]);
  // Entries of START .. START + 150 have left.
  expect((await take(key, LOG, laterMs, 1)).slice(0, 3)).toEqual([1, 1, 10_000 - 49 - 1]);
});

test('what has ended is dropped with its chunks when room is needed', async () => {
  const key = 'room:{2}';
  await fillLog(key, 200);
  await Promise.all(Array.from({ length: 520 }, (_, index) => take(key, window(index), START_MS + 300, 1)));
  await take(key, window(1_000), START_MS + 100_000_000, 1);
  expect((await server.command('HKEYS', key)) as string[]).toHaveLength(2);
});

async function fillLog(key: string, entries: number): Promise<void> {
  await Promise.all(Array.from({ length: entries }, (_, index) => take(key, LOG, START_MS + index, 1)));
}

/** A fixed window of an hour. */
function window(index: number): string[] {
  return ['1', `1:3600000:w${index}`, '10', '3600000', '10'];
}

async function take(key: string, limit: readonly string[], nowMs: number, cost: number): Promise<number[]> {
  const reply: RedisReply = await redis.run(
    takeAtScript,
    [key],
    [String(cost), '-1', ...limit, String(nowMs)],
    soonMs(20_000),
  );
  return reply as number[];
}
