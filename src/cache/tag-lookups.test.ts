/**
 * Tests lookups of tags against scripted replies: which callers share a command, and that no caller joins a command
 * that was already sent.
 */
import { BUCKET_COUNT, bucketOf } from '../lib/key-hash.ts';
import { StoreError } from '../lib/store-error.ts';
import type { RedisArgument, RedisCommands, RedisReply } from '../redis/commands.ts';
import { createKeyspace } from '../redis/keyspace.ts';
import { TagLookups } from './tag-lookups.ts';

const keyspace = createKeyspace('');
const VERSION = Buffer.from('12345678');

interface Sent {
  readonly command: readonly RedisArgument[];
  readonly deadlineAtMs: number;
  readonly reply: PromiseWithResolvers<RedisReply>;
}

function setUp() {
  const sent: Sent[] = [];
  const commands: RedisCommands = {
    run: () => Promise.reject(new Error('no script is expected here')),
    send: (_, command, deadlineAtMs) => {
      const reply = Promise.withResolvers<RedisReply>();
      sent.push({ command, deadlineAtMs, reply });
      return reply.promise;
    },
  };
  return { sent, lookups: new TagLookups({ commands, keyspace }) };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Returns `count` tags of one bucket. */
function tagsOfOneBucket(count: number): string[] {
  const tags: string[] = [];
  for (let index = 0; tags.length < count; index += 1) {
    if (bucketOf(`tag-${index}`) === 0) {
      tags.push(`tag-${index}`);
    }
  }
  return tags;
}

test('sends one command per tag bucket, with each tag once, for all callers in one turn', async () => {
  const { sent, lookups } = setUp();
  const tags = Array.from({ length: 200 }, (_, index) => `tag-${index}`);
  const asking = Array.from({ length: 50 }, (_, index) => lookups.versions('n', [...tags, tags[index] ?? ''], 1_000));
  await nextTurn();
  expect(sent).toHaveLength(new Set(tags.map((tag) => bucketOf(tag))).size);
  expect(sent.length).toBeLessThanOrEqual(BUCKET_COUNT);
  const keys = sent.flatMap(({ command }) => command.slice(1));
  expect(keys.sort()).toEqual(tags.map((tag) => keyspace.cacheTag('n', tag)).sort());
  for (const { command, reply } of sent) {
    expect(command[0]).toBe('MGET');
    reply.resolve(command.slice(1).map((key) => Buffer.from(String(key).slice(-8))));
  }
  for (const versions of await Promise.all(asking)) {
    expect(versions.size).toBe(tags.length);
    for (const tag of tags) {
      expect(String(versions.get(tag))).toBe(keyspace.cacheTag('n', tag).slice(-8));
    }
  }
});

test('sends another command if the previous one was already sent, because it would miss an invalidation in between', async () => {
  const { sent, lookups } = setUp();
  const first = lookups.versions('n', ['tag'], 1_000);
  await nextTurn();
  const second = lookups.versions('n', ['tag'], 1_000);
  await nextTurn();
  expect(sent).toHaveLength(2);
  sent[0]?.reply.resolve([VERSION]);
  sent[1]?.reply.resolve([null]);
  expect((await first).get('tag')).toEqual(VERSION);
  expect((await second).get('tag')).toBeNull();
});

test('shares one command between callers of one turn, however many promises they await before', async () => {
  const { sent, lookups } = setUp();
  async function reader(depth: number): Promise<void> {
    for (let step = 0; step < depth; step += 1) {
      await Promise.resolve();
    }
    await lookups.versions('n', ['tag'], 1_000);
  }
  const readers = [0, 1, 5, 20].map(reader);
  await nextTurn();
  expect(sent).toHaveLength(1);
  sent[0]?.reply.resolve([VERSION]);
  await Promise.all(readers);
});

test('shares a command only within one namespace and close deadlines, and uses the earliest deadline', async () => {
  const { sent, lookups } = setUp();
  void lookups.versions('n', ['tag'], 6_410);
  void lookups.versions('n', ['tag'], 6_405);
  void lookups.versions('n', ['tag'], 9_000);
  void lookups.versions('other', ['tag'], 6_410);
  await nextTurn();
  expect(sent.map(({ deadlineAtMs }) => deadlineAtMs).sort()).toEqual([6_405, 6_410, 9_000]);
});

test('sends at most 256 tags per command', async () => {
  const { sent, lookups } = setUp();
  const tags = tagsOfOneBucket(600);
  const versions = lookups.versions('n', tags, 1_000);
  await nextTurn();
  expect(sent.map(({ command }) => command.length - 1)).toEqual([256, 256, 88]);
  for (const { command, reply } of sent) {
    reply.resolve(command.slice(1).map(() => VERSION));
  }
  expect([...(await versions).values()].filter((version) => version === VERSION)).toHaveLength(600);
});

test('returns the error of a failed command for its own tags only', async () => {
  const { sent, lookups } = setUp();
  const [lost = '', found = ''] = ['tag-1', 'tag-2'];
  expect(bucketOf(lost)).not.toBe(bucketOf(found));
  const versions = lookups.versions('n', [lost, found], 1_000);
  await nextTurn();
  const failure = new StoreError('unavailable', 'gone');
  for (const { command, reply } of sent) {
    if (String(command[1]).endsWith(lost)) {
      reply.reject(failure);
    } else {
      reply.resolve([VERSION]);
    }
  }
  expect((await versions).get(lost)).toBe(failure);
  expect((await versions).get(found)).toBe(VERSION);
});
