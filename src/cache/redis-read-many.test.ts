/**
 * Tests reads of many entries against scripted replies: the outcome of a call if one of its steps fails.
 */
import { systemClock } from '../lib/clock.ts';
import { StoredFormatError, StoreError } from '../lib/store-error.ts';
import type { RedisCommands, RedisReply } from '../redis/commands.ts';
import { createKeyspace } from '../redis/keyspace.ts';
import { defineScript } from '../redis/lua-script.ts';
import { encodeEntryRest, encodeEntryStart, encodeVersion, TAG_VERSION_BYTES } from './model.ts';
import { RedisManyReader } from './redis-read-many.ts';
import { RedisTags } from './redis-tags.ts';

const KEYS = [Buffer.from('key')];
const LARGE_BYTES = 3_000_000;
const NOW_MS = 1_700_000_000_000;
const INCARNATION = Buffer.from('incarnat');
const HEAD = Buffer.concat([INCARNATION, Buffer.alloc(24)]);

const keyspace = createKeyspace('');
const script = defineScript('of the test', '', 'read');

type Step = () => RedisReply | Promise<RedisReply>;

/** Creates a reader whose commands receive the replies of these steps, in order. */
function setUp(steps: Step[]): RedisManyReader {
  async function answer(): Promise<RedisReply> {
    const step = steps.shift();
    if (step === undefined) {
      throw new TypeError('no further command is expected');
    }
    return step();
  }
  const commands: RedisCommands = { run: answer, send: answer };
  const tags = new RedisTags({ commands, keyspace, ensureScript: script, removeScript: script });
  return new RedisManyReader({ commands, keyspace, tags, script });
}

function read(reader: RedisManyReader, keys = KEYS, leftMs = 60_000) {
  return reader.read('n', keys, { deadlineAtMs: systemClock.monotonicMs() + leftMs, budgetBytes: 3_500_000 });
}

function entry(valueBytes: number, tagNames: readonly string[] = []): Step {
  const tags = tagNames.map((name) => ({ name, version: Buffer.alloc(TAG_VERSION_BYTES, 1) }));
  const bytes = Buffer.concat([
    encodeEntryStart(false),
    encodeVersion(INCARNATION, 1, NOW_MS),
    encodeEntryRest({ ttlMs: 60_000, staleMs: 0, loadMs: 0, tags }),
    Buffer.alloc(valueBytes),
  ]);
  return () => [NOW_MS, 1, HEAD, bytes];
}

const large: Step = () => [NOW_MS, 1, HEAD, LARGE_BYTES];

function refuse(error: Error): Step {
  return () => {
    throw error;
  };
}

const refusal = new StoredFormatError('the data has a newer format');

test.each([
  ['in the first round', [refuse(refusal)]],
  ['in the second round', [large, refuse(refusal)]],
  ['in the lookup of tags', [entry(1, ['tag']), refuse(refusal)]],
] as [string, Step[]][])('rejects the call if the stored format is refused %s', async (_when, steps) => {
  await expect(read(setUp([...steps]))).rejects.toBe(refusal);
});

test.each([
  ['with a refused format in the first round', [refuse(refusal)]],
  ['with a refused format in the second round', [large, refuse(refusal)]],
  ['with an unavailable store in the second round', [large, refuse(new StoreError('unavailable', 'away'))]],
  ['with a refused format in the lookup of tags', [large, entry(LARGE_BYTES - 100, ['tag']), refuse(refusal)]],
] as [string, Step[]][])('releases the reservations of a call that ends %s', async (_when, steps) => {
  const good = [large, entry(LARGE_BYTES - 100)];
  const reader = setUp([...steps, ...steps, ...steps, ...good]);
  for (let call = 0; call < 3; call += 1) {
    await read(reader).catch(() => undefined);
  }
  expect(await read(reader)).toMatchObject([{ outcome: 'hit' }]);
});

test('reports entries as unavailable if the lookup of their tags fails', async () => {
  const reader = setUp([entry(1, ['tag']), refuse(new StoreError('unknown', 'no answer'))]);
  expect(await read(reader)).toEqual([{ outcome: 'unavailable' }]);
});

test('reports all entries as unavailable if other calls use the whole budget until the deadline', async () => {
  const many = Array.from({ length: 256 }, (_, index) => Buffer.from(`key-${index}`));
  const held = Promise.withResolvers<RedisReply>();
  const reader = setUp(Array.from({ length: 1_000 }, () => () => held.promise));
  const others = [read(reader, many), read(reader, many)];
  expect(await read(reader, many, 50)).toEqual(many.map(() => ({ outcome: 'unavailable' })));
  held.resolve(null);
  for (const results of await Promise.all(others)) {
    expect(results).toEqual(many.map(() => ({ outcome: 'miss' })));
  }
});
